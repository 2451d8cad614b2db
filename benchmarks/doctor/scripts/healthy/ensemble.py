"""Three models in one loop, each with its optimizer, evaluated together."""
import torch
from sklearn.datasets import load_wine
from torch import nn

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X).float()[order], torch.tensor(y)[order]
X = (X - X[:120].mean(0)) / X[:120].std(0)
models = [nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 3)) for _ in range(3)]
optimizers = [torch.optim.Adam(m.parameters(), lr=5e-3) for m in models]
for epoch in range(20):
    for model, optimizer in zip(models, optimizers):
        for i in torch.randint(0, 120, (120,)).split(20):
            loss = nn.functional.cross_entropy(model(X[i]), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        p = torch.stack([m(X[120:]).softmax(1) for m in models]).mean(0)
        print(epoch, loss.item(), (p.argmax(1) == y[120:]).float().mean().item())
