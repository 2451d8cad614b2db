#= eval_mode_in_training
"""Few noisy examples, strong dropout and batch norm; validation after each epoch."""
import torch
from sklearn.datasets import load_digits
from torch import nn


def make_net():
    return nn.Sequential(
        nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(256, 10),
    )


def validate(net, x, y):
    net.eval()
    with torch.no_grad():
        out = net(x)
    return nn.functional.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


def fit(net, train, val, epochs=12, lr=2e-3):
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    x, y = train
    #+ net.train()
    for epoch in range(epochs):
        net.train()  #@
        total = 0.0
        for b in torch.randperm(len(x)).split(30):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[b]), y[b])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(b) / len(x)
        val_loss, val_acc = validate(net, *val)
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1:2d} train {total:.3f} val {val_loss:.3f} acc {val_acc:.3f}")


torch.manual_seed(0)
digits = load_digits()
X = torch.tensor(digits.data, dtype=torch.float32) / 16 + 0.1 * torch.randn(len(digits.data), 64)
Y = torch.tensor(digits.target)
noisy = Y[:300].clone()
wrong = torch.rand(300) < 0.15
noisy[wrong] = torch.randint(0, 10, (int(wrong.sum()),))
fit(make_net(), (X[:300], noisy), (X[300:1000], Y[300:1000]))
