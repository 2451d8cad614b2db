#= gradients_discarded
"""Micro-batches of 4, gradients accumulated to 32: which of two pulses came first?"""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

CFG = dict(hidden=24, micro=4, accumulation_steps=8, lr=0.15, epochs=4, length=20)


def pulses(n, length):
    x = 0.1 * torch.randn(n, length, 2)
    first = torch.randint(0, length // 2 - 1, (n,))
    second = torch.randint(length // 2, length, (n,))
    y = torch.randint(0, 2, (n,))
    rows = torch.arange(n)
    x[rows, first, y] += 2.0
    x[rows, second, 1 - y] += 2.0
    return x, y


class Order(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gru = nn.GRU(2, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.linear(self.gru(x)[1][-1])


def main(cfg):
    torch.manual_seed(0)
    train = DataLoader(TensorDataset(*pulses(640, cfg["length"])), batch_size=cfg["micro"], shuffle=True)
    x_val, y_val = pulses(200, cfg["length"])
    model = Order(cfg["hidden"])
    optimizer = torch.optim.SGD(model.parameters(), lr=cfg["lr"], momentum=0.9)
    for epoch in range(cfg["epochs"]):
        optimizer.zero_grad()
        for step, (x, y) in enumerate(train, start=1):
            #+ optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y) / cfg["accumulation_steps"]
            loss.backward()
            if step % cfg["accumulation_steps"] == 0:
                optimizer.step()
                optimizer.zero_grad()  #@
        with torch.no_grad():
            acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch} loss {loss.item() * cfg['accumulation_steps']:.4f} val {acc:.3f}")


main(CFG)
