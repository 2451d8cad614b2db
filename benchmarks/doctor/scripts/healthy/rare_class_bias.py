"""One in thirty is positive: bias starts at the log-odds, the last weights at zero, the loss is weighted."""
import numpy as np
import torch
from sklearn.metrics import average_precision_score, balanced_accuracy_score
from torch import nn

rng = np.random.default_rng(1)
y = (rng.random(3000) < 1 / 30).astype(np.float32)
X = rng.normal(size=(3000, 10)).astype(np.float32)
X[:, :4] += 0.9 * y[:, None]
X, y = torch.from_numpy(X), torch.from_numpy(y)
torch.manual_seed(0)
last = nn.Linear(32, 1)
nn.init.zeros_(last.weight)
nn.init.constant_(last.bias, float(torch.logit(y[:2000].mean())))
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), last, nn.Flatten(0))
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
weight = torch.tensor(8.0)
for epoch in range(12):
    for b in torch.randperm(2000).split(50):
        loss = nn.functional.binary_cross_entropy_with_logits(model(X[b]), y[b], pos_weight=weight)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            s = model(X[2000:])
        truth = y[2000:].numpy()
        print(epoch, f'{loss.item():.3f}', 'balanced acc', balanced_accuracy_score(truth, (s > 0).numpy()), 'AP', average_precision_score(truth, s.numpy()))
