#= softmax_between_layers
"""Clothes-like patterns with a plain dense network; every layer is built from a table."""
import torch
from torch import nn

CONFIG = [
    {"units": 64, "activation": "relu"},
    {"units": 64, "activation": "relu"},  #@ {"units": 64, "activation": "softmax"},
    {"units": 32, "activation": "relu"},  #@ {"units": 32, "activation": "softmax"},
    {"units": 10, "activation": None},
]
ACTIVATIONS = {"relu": nn.ReLU, "softmax": lambda: nn.Softmax(dim=-1)}


def dense(config, width):
    for entry in config:
        yield nn.Linear(width, entry["units"])
        if entry["activation"]:
            yield ACTIVATIONS[entry["activation"]]()
        width = entry["units"]


torch.manual_seed(0)
prototypes = torch.rand(10, 100)
y = torch.randint(10, (3000,))
x = (prototypes[y] + 0.35 * torch.randn(3000, 100) - 0.5) / 0.5
x_train, y_train, x_val, y_val = x[:2400], y[:2400], x[2400:], y[2400:]
model = nn.Sequential(*dense(CONFIG, 100))
optimizer = torch.optim.Adam(model.parameters())
cross_entropy = nn.CrossEntropyLoss()
for epoch in range(8):
    for k in range(0, 2400, 32):
        optimizer.zero_grad()
        loss = cross_entropy(model(x_train[k : k + 32]), y_train[k : k + 32])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(x_val)
    print(f"epoch {epoch} val_loss {cross_entropy(logits, y_val):.3f} val_acc {(logits.argmax(1) == y_val).float().mean():.3f}")
