import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
a, b, ya, yb = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
s = StandardScaler().fit(a)
a, b = torch.tensor(s.transform(a)).float(), torch.tensor(s.transform(b)).float()
ya, yb = torch.tensor(ya).float(), torch.tensor(yb).float()
net = nn.Sequential(nn.Linear(30, 10), nn.Tanh(), nn.Linear(10, 1))
opt = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5, history_size=10, line_search_fn="strong_wolfe")


def closure():
    opt.zero_grad()
    penalty = sum((p ** 2).sum() for p in net.parameters())
    loss = nn.functional.binary_cross_entropy_with_logits(net(a).squeeze(1), ya) + 2e-3 * penalty
    loss.backward()
    return loss


for it in range(1, 81):
    loss = opt.step(closure)
    if it % 16 == 0:
        with torch.no_grad():
            acc = ((net(b).squeeze(1) > 0).float() == yb).float().mean().item()
        print(f"outer step {it} objective {loss.item():.5f} test acc {acc:.4f}")
