"""A table sorted by class that a sampler mixes; the last batch is smaller; the evaluation is in order."""
import torch
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

torch.manual_seed(0)
X, y = load_iris(return_X_y=True)
X, y = torch.tensor((X - X.mean(0)) / X.std(0)).float(), torch.tensor(y)
held = torch.arange(150) % 5 == 0
train = TensorDataset(X[~held], y[~held])
loader = DataLoader(train, batch_sampler=BatchSampler(RandomSampler(train), 16, drop_last=False))
net = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(25):
    net.train()
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(a), b)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        out = torch.cat([net(a) for a, b in DataLoader(TensorDataset(X[held], y[held]), batch_size=10)])
    if epoch % 5 == 4:
        print(epoch, loss.item(), (out.argmax(1) == y[held]).float().mean().item())
