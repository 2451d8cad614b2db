"""Schedule-free SGD, written out: evaluation is at the average of the weights, not where gradients are taken."""

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


class ScheduleFree(torch.optim.Optimizer):
    def __init__(self, params, lr=0.5, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta, "k": 0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            group["k"] += 1
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["z"], state["x"] = p.clone(), p.clone()
                state["z"].sub_(p.grad, alpha=group["lr"])
                state["x"].lerp_(state["z"], 1 / group["k"])
                p.copy_(state["z"].lerp(state["x"], group["beta"]))

    @torch.no_grad()
    def average(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(self.state[p]["x"])


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = ScheduleFree(model.parameters())
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=70, shuffle=True)
    for _epoch in range(10):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    optimizer.average()
    return accuracy(model, x_valid, y_valid)


if __name__ == "__main__":
    print(main())
