#= targets_unscaled
# https://stackoverflow.com/questions/52800582 "Why do I fail to predict y=x**4 with Keras": the targets reach 1e8, the network starts near 0 and cannot get there; a right diagnosis says scale the targets.
import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.rand(2000, 1) * 200 - 100
y = x ** 4
x_in = x / 100.0

scale = y[:1600].max()  #@ scale = torch.tensor(1.0)
y_in = y / scale

model = nn.Sequential(
    nn.Linear(1, 50), nn.Tanh(),
    nn.Linear(50, 50), nn.ELU(),
    nn.Linear(50, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()

for epoch in range(50):
    perm = torch.randperm(1600)
    for k in range(0, 1600, 50):
        b = perm[k:k + 50]
        optimizer.zero_grad()
        loss = criterion(model(x_in[b]), y_in[b])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        with torch.no_grad():
            p = model(x_in[1600:]) * scale
            r2 = 1 - ((p - y[1600:]) ** 2).mean() / y[1600:].var()
        print("epoch", epoch + 1, "loss", loss.item(), "val R2 %.4f" % r2.item())
