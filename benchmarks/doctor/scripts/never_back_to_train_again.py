#= eval_mode_in_training
#: model.train() is called once before the loop; after the first validation the model stays in eval mode, dropout is off for the rest
"""Active or inactive compound from fingerprints: few molecules, heavy dropout against overfitting."""
import torch
import torch.nn as nn
import numpy as np

torch.manual_seed(12)
np.random.seed(12)

n_bits = 60
w_true = np.zeros(n_bits)
w_true[:8] = [2, -2, 1.5, -1.5, 1, -1, 1.2, 0.8]
fp = (np.random.rand(2000, n_bits) < 0.3).astype(np.float32)
score = fp @ w_true
active = score > np.median(score)
flip = np.random.rand(2000) < 0.1          # assay errors
resp = torch.from_numpy((active ^ flip).astype(np.float32)).view(-1, 1)
fp = torch.from_numpy(fp)
tr, va = slice(0, 600), slice(600, 2000)


class ResponseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(n_bits, 128), nn.ReLU(), nn.Dropout(0.6),
            nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.6),
            nn.Linear(64, 1),
        )

    def forward(self, x):
        return self.layers(x)


def validate(model, loss_fn):
    model.eval()
    with torch.no_grad():
        out = model(fp[va])
    return loss_fn(out, resp[va]).item(), ((out > 0) == (resp[va] > 0.5)).float().mean().item()


model = ResponseNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.BCEWithLogitsLoss()
#+ model.train()
for epoch in range(1, 31):
    model.train()  #@
    order = torch.randperm(600)
    train_loss = 0
    for chunk in order.split(30):
        optimizer.zero_grad()
        loss = loss_fn(model(fp[tr][chunk]), resp[tr][chunk])
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(chunk)
    val_loss, val_acc = validate(model, loss_fn)
    if epoch % 6 == 0:
        print("Epoch %03d  train %.4f  valid %.4f  acc %.3f" % (epoch, train_loss / 600, val_loss, val_acc))
