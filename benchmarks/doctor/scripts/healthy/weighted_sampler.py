"""One customer in twenty leaves; the sampler draws both kinds as often, the evaluation does not."""
import torch
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)
X, y = make_classification(3000, 10, n_informative=6, weights=[0.95], class_sep=1.5, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float()
train, test = TensorDataset(X[:2400], y[:2400]), TensorDataset(X[2400:], y[2400:])
rarity = torch.where(y[:2400] == 1, 1 / y[:2400].mean(), 1 / (1 - y[:2400].mean()))
loader = DataLoader(train, batch_size=60, sampler=WeightedRandomSampler(rarity, 2400))
model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(10):
    model.train()
    for a, b in loader:
        loss = criterion(model(a).squeeze(1), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        found = (model(X[2400:]).squeeze(1) > 0).float()
        print(epoch, loss.item(), "recall", found[y[2400:] == 1].mean().item(), "false", found[y[2400:] == 0].mean().item())
