#= evaluates_untrained
"""Train with an exponential moving average of the weights and evaluate the average."""
import copy

import torch
from sklearn.datasets import load_digits
from torch import nn


class ModelEma:
    """Keep a moving average of everything in the state_dict (as in timm)."""

    def __init__(self, model, decay=0.999):
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for ema_v, model_v in zip(self.module.state_dict().values(), model.state_dict().values()):
            if ema_v.is_floating_point():
                ema_v.mul_(self.decay).add_(model_v, alpha=1 - self.decay)
            else:
                ema_v.copy_(model_v)


def net():
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


def run(epochs=8, ema_decay=0.97):  #@ def run(epochs=8, ema_decay=0.9998):
    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, torch.tensor(digits.target)
    x_train, y_train, x_val, y_val = x[:1400], y[:1400], x[1400:], y[1400:]
    model = net()
    ema = ModelEma(model, ema_decay)
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    for epoch in range(epochs):
        model.train()
        for idx in torch.randperm(1400).split(35):
            loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx], label_smoothing=0.05)
            opt.zero_grad()
            loss.backward()
            opt.step()
            ema.update(model)
        with torch.no_grad():
            logits = ema.module(x_val)
        print(f"epoch {epoch} loss {loss.item():.3f} val_loss {nn.functional.cross_entropy(logits, y_val).item():.3f} "
              f"val_acc {(logits.argmax(1) == y_val).float().mean().item():.3f}")
    torch.save(ema.module.state_dict(), "/dev/null")


run()
