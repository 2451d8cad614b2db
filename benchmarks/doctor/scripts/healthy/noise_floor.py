"""Nine tenths of the variance is noise: the loss hardly moves, and that is as good as it gets."""
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 6)).astype(np.float32)
truth = (np.sin(X[:, 0]) + 0.5 * X[:, 1]).astype(np.float32)
y = truth + rng.normal(scale=2.4, size=4000).astype(np.float32)
X, y, truth = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(truth)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
for epoch in range(8):
    total = 0.0
    for b in torch.randperm(3200).split(64):
        loss = nn.functional.mse_loss(model(X[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(b) / 3200
    with torch.no_grad():
        guess = model(X[3200:])
    print(f'{epoch} train mse {total:.3f} val mse {nn.functional.mse_loss(guess, y[3200:]).item():.3f} '
          f'correlation with the truth {torch.corrcoef(torch.stack([guess, truth[3200:]]))[0, 1].item():.3f}')
