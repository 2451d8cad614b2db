#= not_in_optimizer
"""Face-recognition style: an additive angular margin on digits. The criterion has class centres of its own."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class ArcFace(nn.Module):
    def __init__(self, classes, dim, s=16.0, m=0.2):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.xavier_uniform_(self.weight)
        self.s, self.m = s, m

    def cosine(self, emb):
        return F.linear(F.normalize(emb), F.normalize(self.weight))

    def forward(self, emb, label):
        theta = torch.acos(self.cosine(emb).clamp(-1 + 1e-6, 1 - 1e-6))
        hot = F.one_hot(label, len(self.weight)).bool()
        return F.cross_entropy(self.s * torch.where(hot, theta + self.m, theta).cos(), label)


def build_optimizer(args, net, criterion):
    params = [{"params": net.parameters(), "lr": args["lr"]}]
    params.append({"params": criterion.parameters(), "lr": args["lr"]})  #@
    return torch.optim.SGD(params, lr=args["lr"], momentum=0.9, weight_decay=args["wd"])


def main(args):
    torch.manual_seed(args["seed"])
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x).float().div(16), torch.tensor(y)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), args["batch"], shuffle=True)
    net = nn.Sequential(nn.Linear(64, 64), nn.PReLU(), nn.Linear(64, 4))
    criterion = ArcFace(10, 4)
    optimizer = build_optimizer(args, net, criterion)
    for epoch in range(args["epochs"]):
        running = 0.0
        for images, labels in loader:
            loss = criterion(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item() / len(loader)
        with torch.no_grad():
            acc = (criterion.cosine(net(x[1400:])).argmax(1) == y[1400:]).float().mean()
        print(f"{epoch}: {running:.3f} {acc:.3f}")


main({"lr": 0.02, "wd": 1e-4, "batch": 64, "epochs": 15, "seed": 5})
