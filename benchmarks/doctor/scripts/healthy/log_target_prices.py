"""Used car prices: log1p target, relative error, categorical embeddings; loss in log space, report in euros."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

np.random.seed(29)
torch.manual_seed(29)
BRANDS, FUELS = 12, 3


class Cars(Dataset):
    brand_level = np.random.randn(BRANDS) * 0.4

    def __init__(self, n):
        self.brand = np.random.randint(0, BRANDS, n)
        self.fuel = np.random.randint(0, FUELS, n)
        km = np.random.gamma(2, 40000, n)
        age = np.random.uniform(0, 18, n)
        hp = np.random.normal(120, 30, n).clip(50)
        logp = 10 + self.brand_level[self.brand] + .15 * (self.fuel == 2) - .11 * age - km / 250000 + .006 * (hp - 120)
        self.price = np.exp(logp + .08 * np.random.randn(n)).astype("float32")
        self.num = np.c_[(km - 80000) / 57000, (age - 9) / 5.2, (hp - 120) / 30].astype("float32")

    def __len__(self):
        return len(self.price)

    def __getitem__(self, i):
        return self.brand[i], self.fuel[i], self.num[i], self.price[i]


class TabularModel(nn.Module):
    def __init__(self, y_mean):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(BRANDS, 5), nn.Embedding(FUELS, 2)])
        self.bn = nn.BatchNorm1d(3)
        self.layers = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 25), nn.ReLU(), nn.Linear(25, 1))
        self.register_buffer("y_mean", y_mean)

    def forward(self, brand, fuel, num):
        z = torch.cat([self.embeds[0](brand), self.embeds[1](fuel), self.bn(num)], 1)
        return self.layers(z).squeeze(1) + self.y_mean


train, test = Cars(2500), Cars(600)
loader, test_loader = DataLoader(train, 64, shuffle=True, drop_last=True), DataLoader(test, 300)
model = TabularModel(torch.tensor(np.log1p(train.price).mean()))
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(10):
    model.train()
    for brand, fuel, num, price in loader:
        loss = nn.functional.mse_loss(model(brand, fuel, num), torch.log1p(price))
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    err, ape = [], []
    with torch.no_grad():
        for brand, fuel, num, price in test_loader:
            p = torch.expm1(model(brand, fuel, num))
            err.append((p - price).abs())
            ape.append((p - price).abs() / price)
    print("epoch %2d train log-mse %.4f test MAE %.0f euro MAPE %.1f%%" % (epoch + 1, loss.item(), torch.cat(err).mean().item(), 100 * torch.cat(ape).mean().item()))
