#= wrong_loss_family
#: multi-label targets, but the model output goes through a softmax: labels compete with each other
"""Multi-label tagging of synthetic notes (each sample has 1-4 tags of 6)."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

np.random.seed(30)
torch.manual_seed(30)
N_TAGS, DIM = 6, 40
proto = np.random.randn(N_TAGS, DIM)


def make(n):
    Y = np.zeros((n, N_TAGS), dtype=np.float32)
    for r in range(n):
        Y[r, np.random.choice(N_TAGS, np.random.randint(1, 5), replace=False)] = 1
    X = Y @ proto + 0.8 * np.random.randn(n, DIM)
    return torch.tensor(X, dtype=torch.float32), torch.tensor(Y)


class TagModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(DIM, 64)
        self.drop = nn.Dropout(0.1)
        self.l2 = nn.Linear(64, N_TAGS)

    def forward(self, x):
        out = self.l2(self.drop(torch.relu(self.l1(x))))
        return torch.sigmoid(out)  #@ return torch.softmax(out, dim=1)


Xtr, Ytr = make(1500)
Xva, Yva = make(400)
dl = DataLoader(TensorDataset(Xtr, Ytr), batch_size=50, shuffle=True)
model = TagModel()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
bce = nn.BCELoss()
for epoch in range(8):
    model.train()
    for xb, yb in dl:
        opt.zero_grad()
        loss = bce(model(xb), yb)
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        pred = (model(Xva) > 0.5).float()
    exact = (pred == Yva).all(1).float().mean().item()
    tp = (pred * Yva).sum()
    f1 = (2 * tp / (pred.sum() + Yva.sum())).item()
    print(f"epoch {epoch} loss {loss.item():.4f} exact match {exact:.3f} micro f1 {f1:.3f}")
