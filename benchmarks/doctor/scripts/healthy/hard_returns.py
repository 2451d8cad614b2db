"""Returns that can hardly be predicted: the loss falls by a few percent only, which is all that there is to learn."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(8)
factors = torch.randn(6000, 12)
returns = 0.25 * torch.tanh(factors[:, 0]) - 0.15 * factors[:, 1] * factors[:, 2] + torch.randn(6000)
train = TensorDataset(factors[:5000], returns[:5000, None])
model = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 32), nn.SiLU(), nn.Dropout(0.2), nn.Linear(32, 1))
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
loader = DataLoader(train, batch_size=100, shuffle=True, drop_last=True)
best, patience = float("inf"), 0
for epoch in range(20):
    model.train()
    for f, r in loader:
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(f), r)
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(factors[5000:]), returns[5000:, None]).item()
    print(f"{epoch} {val:.4f} of variance {returns[5000:].var():.4f}")
    best, patience = (val, 0) if val < best else (best, patience + 1)
    if patience == 4:
        break
