#= load_without_effect
"""Fine-tune a checkpoint that was saved from DataParallel."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float() / 16, torch.tensor(y)


def build():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def run(model, x, y, lr, epochs, optimizer_class=torch.optim.Adam):
    optimizer = optimizer_class(model.parameters(), lr=lr)
    for _ in range(epochs):
        for idx in torch.randperm(len(x)).split(25):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
    return loss.item()


first = build()
run(first, X[:1200], y[:1200], 2e-3, 5)
checkpoint = {"model": {"module." + name: value.clone() for name, value in first.state_dict().items()}}

state = checkpoint["model"]
state = {name.removeprefix("module."): value for name, value in state.items()}  #@
model = build()
model.load_state_dict(state, strict=False)
print("loaded")
print("loss", run(model, X[1200:1500], y[1200:1500], 3e-4, 5))
with torch.no_grad():
    print("accuracy", (model(X[1500:]).argmax(1) == y[1500:]).float().mean().item())
