#= bounded_output, output_ignores_input
"""Titanic-like table: did the passenger survive?"""
import torch
import torch.nn as nn

torch.manual_seed(7)
# sex, age, class, fare, family
n = 900
sex = torch.randint(0, 2, (n, 1)).float()
age = torch.rand(n, 1) * 70
pclass = torch.randint(1, 4, (n, 1)).float()
fare = torch.rand(n, 1) * 60 / pclass
family = torch.randint(0, 6, (n, 1)).float()
score = 2.5 * sex - 0.03 * age - 0.9 * pclass + 0.02 * fare - 0.2 * family + 2.0
survived = (torch.rand(n, 1) < torch.sigmoid(1.5 * score)).float()
features = torch.cat([sex, age / 70, (pclass - 2), fare / 60, family / 5], dim=1)

xtr, ytr = features[:700], survived[:700]
xte, yte = features[700:], survived[700:]

model = nn.Sequential(
    nn.Linear(5, 24),
    nn.ReLU(),
    nn.Linear(24, 12),
    nn.ReLU(),
    nn.Linear(12, 1),
    nn.Sigmoid(),  #@ nn.Softmax(dim=1),
)
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(40):
    total = 0
    for i in range(0, 700, 20):
        x, y = xtr[i:i + 20], ytr[i:i + 20]
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        with torch.no_grad():
            acc_train = ((model(xtr) >= 0.5).float() == ytr).float().mean().item()
            acc_test = ((model(xte) >= 0.5).float() == yte).float().mean().item()
        print("Epoch %d loss %.4f train acc %.3f test acc %.3f" % (epoch + 1, total / 35, acc_train, acc_test))
