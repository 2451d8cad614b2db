import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.linspace(-1, 1, 9).unsqueeze(1)
y = torch.sin(2.5 * x)
grid = torch.linspace(-1, 1, 101).unsqueeze(1)
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.02)
for step in range(1, 1501):
    loss = nn.functional.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 250 == 0:
        with torch.no_grad():
            err = (net(grid) - torch.sin(2.5 * grid)).abs().max().item()
        print(f"step {step} loss {loss.item():.6f} largest error between the points {err:.4f}")
