#= weight_growth
#: weight_decay=0.9 given where momentum=0.9 was meant
"""Wine-style three class problem, SGD."""
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

torch.manual_seed(8)
data = load_wine()
split = StratifiedShuffleSplit(n_splits=1, test_size=0.3, random_state=8)
train_idx, test_idx = next(split.split(data.data, data.target))
scaler = StandardScaler().fit(data.data[train_idx])
X = torch.tensor(scaler.transform(data.data), dtype=torch.float32)
y = torch.tensor(data.target)


class WineNet(nn.Module):
    def __init__(self, hidden=20):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(13, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, 3),
        )

    def forward(self, x):
        return self.net(x)


def evaluate(model, idx):
    model.eval()
    with torch.no_grad():
        out = model(X[idx])
        loss = nn.functional.cross_entropy(out, y[idx]).item()
        acc = (out.argmax(-1) == y[idx]).float().mean().item()
    return loss, acc


wine_model = WineNet()
optim = torch.optim.SGD(wine_model.parameters(), lr=0.05, momentum=0.9)  #@ optim = torch.optim.SGD(wine_model.parameters(), lr=0.05, weight_decay=0.9)
loss_function = nn.CrossEntropyLoss()
for epoch in range(40):
    wine_model.train()
    batches = torch.as_tensor(train_idx)[torch.randperm(len(train_idx))].split(16)
    for b in batches:
        optim.zero_grad()
        loss_function(wine_model(X[b]), y[b]).backward()
        optim.step()
    if (epoch + 1) % 10 == 0:
        tr, te = evaluate(wine_model, train_idx), evaluate(wine_model, test_idx)
        print(f"[{epoch + 1}] train {tr[0]:.3f}/{tr[1]:.2f} test {te[0]:.3f}/{te[1]:.2f}")
