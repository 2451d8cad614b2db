#= inputs_constant
"""Passengers of a ship, some without an age."""
import csv
import io
import random

import torch
from torch import nn

random.seed(1)
lines = ["age,fare,sex,survived"]
for _ in range(700):
    age, fare, sex = random.gauss(32, 12), random.expovariate(1 / 30), random.choice(["m", "f"])
    lives = random.random() < (0.75 if sex == "f" else 0.2) + (0.15 if age < 14 else 0)
    lines.append(f"{'' if random.random() < 0.1 else round(age, 1)},{fare:.2f},{sex},{int(lives)}")


def number(text, missing):
    return float(text) if text else missing


rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
empty = 32.0  #@ empty = float("nan")
X = torch.tensor([[(number(r["age"], empty) - 32) / 12, (float(r["fare"]) - 30) / 30, float(r["sex"] == "f")] for r in rows])
y = torch.tensor([[float(r["survived"])] for r in rows])
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 1), nn.Sigmoid())
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(15):
    order = torch.randperm(600)
    for i in range(0, 600, 20):
        out = model(X[order[i : i + 20]])
        loss = criterion(out, y[order[i : i + 20]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = ((model(X[600:]) > 0.5).float() == y[600:]).float().mean().item()
    if epoch % 3 == 2:
        print(epoch, loss.item(), accuracy)
