#= wrong_loss_family, labels_unfit
"""A soft-margin machine with a learned kernel for tumours."""
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
data, target = load_breast_cancer(return_X_y=True)
X = torch.tensor(data, dtype=torch.float)
y = torch.tensor(target, dtype=torch.float) * 2 - 1  #@ y = torch.tensor(target, dtype=torch.float)
malignant = torch.tensor(target) == 0
idx = torch.randperm(len(X))
tr, te = idx[:430], idx[430:]
X = (X - X[tr].mean(0)) / X[tr].std(0)
centres = X[tr[:40]]


class Kernel(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_width = nn.Parameter(torch.tensor(3.0))
        self.alpha = nn.Linear(40, 1)
        self.direct = nn.Linear(30, 1)

    def forward(self, x):
        k = torch.exp(-torch.cdist(x, centres).square() / (2 * self.log_width.exp()))
        return (self.alpha(k) + self.direct(x)).squeeze(1)


svm = Kernel()
objective = nn.SoftMarginLoss()
optimizer = torch.optim.SGD(svm.parameters(), lr=0.1, weight_decay=1e-3)
for epoch in range(30):
    for xb, yb in DataLoader(TensorDataset(X[tr], y[tr]), 32, shuffle=True):
        optimizer.zero_grad()
        loss = objective(svm(xb), yb)
        loss.backward()
        optimizer.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            acc = ((svm(X[te]) < 0) == malignant[te]).float().mean().item()
        print(epoch + 1, round(loss.item(), 4), round(acc, 3))
