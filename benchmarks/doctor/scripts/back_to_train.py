#= eval_mode_in_training
"""A network with dropout and batch norm that is evaluated every epoch."""
import torch
from sklearn.datasets import load_digits
from torch import nn


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float() / 16, torch.tensor(y)
model = nn.Sequential(
    nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3),
    nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10),
)
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
#+ model.train()
for epoch in range(8):
    model.train()  #@
    running = 0.0
    for i in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = loss_function(model(x[i]), y[i])
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"epoch {epoch} train loss {running / 30:.3f} accuracy {evaluate(model, x[1500:], y[1500:]):.3f}")
