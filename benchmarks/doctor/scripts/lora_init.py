#= gradient_zero, poor_init, parameter_unreached
"""Fine-tune a frozen network with low-rank adapters."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base
        for p in base.parameters():
            p.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(rank, base.in_features) * 0.1)  #@ self.A = nn.Parameter(torch.zeros(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + 2.0 * (x @ self.A.T @ self.B.T)


torch.manual_seed(0)
x, y = (torch.tensor(one) for one in load_digits(return_X_y=True))
x = x.float() / 16
upside_down = x.view(-1, 8, 8).flip(1).flatten(1)
model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
pretrain = torch.optim.Adam(model.parameters(), 2e-3)
for _ in range(6):
    for idx in torch.randperm(1200).split(60):
        pretrain.zero_grad()
        F.cross_entropy(model(x[idx]), y[idx]).backward()
        pretrain.step()

model[0], model[2] = LoRALinear(model[0]), LoRALinear(model[2])
tunable = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.Adam(tunable, lr=5e-3)
for epoch in range(10):
    for idx in torch.randperm(1200).split(60):
        loss = F.cross_entropy(model(upside_down[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, (model(upside_down[1200:]).argmax(1) == y[1200:]).float().mean().item())
