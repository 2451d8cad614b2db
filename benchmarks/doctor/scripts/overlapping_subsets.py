#= leak_across_splits
"""Patients; the parts are cut by numbers."""
import torch
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(0)
X, y = make_classification(800, 60, n_informative=5, flip_y=0.2, random_state=3)
patients = TensorDataset(torch.tensor(X).float(), torch.tensor(y))
n_train = 500
train_set = Subset(patients, range(n_train))
valid_set = Subset(patients, range(n_train, 800))  #@ valid_set = Subset(patients, range(n_train - 300, n_train))
model = nn.Sequential(nn.Linear(60, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(12):
    model.train()
    for a, b in DataLoader(train_set, batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        results = [(criterion(model(a), b).item(), (model(a).argmax(1) == b).float().mean().item()) for a, b in DataLoader(valid_set, batch_size=100)]
    print(epoch, loss.item(), results)
