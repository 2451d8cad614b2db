"""Muon: orthogonal updates that are large beside the weights, by design; Adam for the rest."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.long)[order]
    x = (x - x.mean()) / x.std()
    return x[:1400], y[:1400], x[1400:], y[1400:]


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].mul_(group["momentum"]).add_(p.grad)
                u = p.grad + group["momentum"] * state["momentum"]
                u = u / (u.norm() + 1e-7)
                for _ in range(5):
                    a = u @ u.T
                    u = 3.4445 * u + (-4.775 * a + 2.0315 * a @ a) @ u
                p.add_(u, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    hidden = [model[2].weight]
    rest = [p for p in model.parameters() if p is not model[2].weight]
    optimizers = [Muon(hidden, lr=0.02), torch.optim.AdamW(rest, lr=0.002)]
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=70, shuffle=True)
    for _epoch in range(9):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            for one in optimizers:
                one.zero_grad()
            loss.backward()
            for one in optimizers:
                one.step()
    return accuracy(model, x_valid, y_valid)


if __name__ == "__main__":
    print(main())
