#= targets_unscaled
#: unscaled prices as targets and plain SGD with lr 0.1: loss is nan
"""Used car price regression."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(99)
n = 1000
km = torch.rand(n) * 200000
year = torch.randint(2000, 2021, (n,)).float()
hp = torch.randint(60, 300, (n,)).float()
price = 2000 + 90 * hp + 600 * (year - 2000) - 0.03 * km + 800 * torch.randn(n)
feats = torch.stack([km, year, hp], 1)
feats = (feats - feats.mean(0)) / feats.std(0)
y_mean, y_std = price.mean(), price.std()
target = (price - y_mean) / y_std  #@ target = price
dataset = TensorDataset(feats, target.unsqueeze(1))
train_set, val_set = random_split(dataset, [800, 200])
train_dl = DataLoader(train_set, batch_size=16, shuffle=True)
val_dl = DataLoader(val_set, batch_size=200)


class CarNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hid1 = nn.Linear(3, 10)
        self.hid2 = nn.Linear(10, 10)
        self.oupt = nn.Linear(10, 1)

    def forward(self, x):
        z = torch.relu(self.hid1(x))
        z = torch.relu(self.hid2(z))
        return self.oupt(z)


def fit(model, epochs, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loss_func = nn.MSELoss()
    for epoch in range(epochs):
        model.train()
        for X, Y in train_dl:
            optimizer.zero_grad()
            loss_val = loss_func(model(X), Y)
            loss_val.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for X, Y in val_dl:
                v = loss_func(model(X), Y).item()
                var = Y.var().item()
        print("epoch = %3d  loss = %.5g  val = %.5g  (variance %.5g)" % (epoch, loss_val.item(), v, var))


fit(CarNet(), epochs=12, lr=0.1)
