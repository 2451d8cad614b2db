#= double_softmax
"""Kaggle Titanic, with made-up passengers."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def make_passengers(n, seed):
    rng = np.random.default_rng(seed)
    pclass = rng.integers(1, 4, n)
    sex = rng.choice(["male", "female"], n)
    age = np.clip(rng.normal(30, 13, n), 1, 80)
    fare = np.exp(rng.normal(4.2 - 0.8 * pclass, 0.5))
    score = 2.4 * (sex == "female") - 0.9 * (pclass - 2) - 0.03 * (age - 30) + 0.1 * np.log(fare) - 1.0
    survived = rng.random(n) < 1 / (1 + np.exp(-score))
    return {"Pclass": pclass, "Sex": sex, "Age": age, "Fare": fare, "Survived": survived.astype(int)}


class TitanicDataset(Dataset):
    def __init__(self, frame):
        sex = (frame["Sex"] == "female").astype(float)
        classes = np.eye(3)[frame["Pclass"] - 1]
        age = (frame["Age"] - 30) / 13
        fare = (np.log(frame["Fare"]) - 2.6) / 0.8
        self.features = np.column_stack([sex, classes, age, fare]).astype(np.float32)
        self.labels = frame["Survived"].astype(np.float32)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.tensor(self.features[i]), torch.tensor(self.labels[i])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)
        )

    def forward(self, x):
        return self.model(x).view(-1)  #@ return torch.sigmoid(self.model(x).view(-1))


torch.manual_seed(0)
train_dl = DataLoader(TitanicDataset(make_passengers(800, 0)), batch_size=32, shuffle=True)
val_dl = DataLoader(TitanicDataset(make_passengers(400, 1)), batch_size=100)
net = Net()
loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(10):
    net.train()
    for xb, yb in train_dl:
        loss = loss_fn(net(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        val = sum(loss_fn(net(xb), yb).item() for xb, yb in val_dl) / len(val_dl)
    print(epoch, round(val, 4))
