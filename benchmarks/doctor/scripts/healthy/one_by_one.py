"""Online learning: batch size 1, layer norm, small steps; the loss of single examples jumps about."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
net = nn.Sequential(nn.Linear(64, 48), nn.LayerNorm(48), nn.ReLU(), nn.Linear(48, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.02)
seen = right = 0
for k in torch.randperm(1500).repeat(2).tolist():
    out = net(x[k:k + 1])
    right += int(out.argmax() == y[k])
    seen += 1
    loss = nn.functional.cross_entropy(out, y[k:k + 1])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if seen % 600 == 0:
        with torch.no_grad():
            print(seen, f'loss of this one {loss.item():.3f} running accuracy {right / seen:.3f} test {(net(x[1500:]).argmax(1) == y[1500:]).float().mean().item():.3f}')
