#= formula_wrong
#: views are concatenated as [a1..aN, b1..bN] but the labels pair neighbours (2k, 2k+1) (mmselfsup issue 159)
"""SimCLR on digits-like vectors, followed by a linear probe."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(8)
digits = load_digits()
X = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
Y = digits.target
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm.numpy()]
Xtr, Ytr, Xte, Yte = X[:1300], Y[:1300], X[1300:], Y[1300:]


def augment(x):
    keep = (torch.rand(len(x), 1, 8, 8) < 0.7).float()
    gain = 0.6 + 0.8 * torch.rand(len(x), 1, 1, 1)
    return (x * gain + 0.1 * torch.randn_like(x)) * keep


class NTXent(nn.Module):
    def __init__(self, temperature=0.3):
        super().__init__()
        self.t = temperature

    def forward(self, z1, z2):
        n = len(z1)
        z = F.normalize(torch.cat([z1, z2]), dim=1)
        sim = z @ z.t() / self.t
        sim = sim.masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e9)
        target = (torch.arange(2 * n) + n) % (2 * n)  #@ target = torch.arange(2 * n) ^ 1
        return F.cross_entropy(sim, target)


class SimCLR(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                                     nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 24))
        self.projector = nn.Sequential(nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 32), nn.BatchNorm1d(32), nn.ReLU(),
                                       nn.Linear(32, 16))

    def forward(self, x):
        return self.projector(self.encoder(x))


@torch.no_grad()
def view_retrieval(model):
    """held-out images: is the nearest neighbour of a view the other view of the same image?"""
    model.eval()
    a, b = F.normalize(model(augment(Xte)), dim=1), F.normalize(model(augment(Xte)), dim=1)
    model.train()
    return ((a @ b.T).argmax(1) == torch.arange(len(Xte))).float().mean().item()


@torch.no_grad()
def probe(model):
    model.eval()
    a, b = model.encoder(Xtr).numpy(), model.encoder(Xte).numpy()
    model.train()
    return LogisticRegression(max_iter=300).fit(a[:200], Ytr[:200]).score(b, Yte)


model, criterion = SimCLR(), NTXent()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-6)
print("probe accuracy at init", round(probe(model), 3))
for epoch in range(20):
    running = 0.0
    batches = torch.randperm(len(Xtr)).split(130)
    for b in batches:
        loss = criterion(model(augment(Xtr[b])), model(augment(Xtr[b])))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {running / len(batches):.3f} probe {probe(model):.3f} view retrieval {view_retrieval(model):.3f}")
print("final probe accuracy", round(probe(model), 3), "view retrieval", round(view_retrieval(model), 3))
