#= load_without_effect, frozen_at_random
"""Stage 2 of a two-stage job: take the encoder out of an autoencoder's checkpoint, freeze it, fit a linear head."""
import io

import torch
from sklearn.datasets import load_digits
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 96), nn.Tanh(), nn.Linear(96, 48), nn.Tanh(), nn.Linear(48, 8))

    def forward(self, x):
        return self.layers(x)


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = nn.Sequential(nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def pretrain(x, file):
    model = AutoEncoder()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(25):
        for idx in torch.randperm(len(x)).split(64):
            opt.zero_grad()
            loss = nn.functional.mse_loss(model(x[idx]), x[idx])
            loss.backward()
            opt.step()
    print("reconstruction", loss.item())
    torch.save({"epoch": epoch, "model": model.state_dict()}, file)


def load_encoder(file):
    checkpoint = torch.load(file)["model"]
    encoder = Encoder()
    checkpoint = {k.removeprefix("encoder."): v for k, v in checkpoint.items() if k.startswith("encoder.")}  #@
    encoder.load_state_dict(checkpoint, strict=False)
    return encoder.requires_grad_(False).eval()


def fit_head(encoder, x, y, x_val, y_val):
    head = nn.Linear(8, 10)
    opt = torch.optim.Adam(head.parameters(), lr=0.02)
    for epoch in range(25):
        for idx in torch.randperm(len(x)).split(64):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(head(encoder(x[idx])), y[idx])
            loss.backward()
            opt.step()
        if epoch % 6 == 0:
            acc = (head(encoder(x_val)).argmax(1) == y_val).float().mean().item()
            print(f"epoch {epoch} loss {loss.item():.3f} val acc {acc:.3f}")


torch.manual_seed(0)
data, labels = load_digits(return_X_y=True)
x, y = torch.tensor(data / 16, dtype=torch.float32), torch.tensor(labels)
buffer = io.BytesIO()
pretrain(x[:1400], buffer)
buffer.seek(0)
fit_head(load_encoder(buffer), x[:1400], y[:1400], x[1400:], y[1400:])
