#= inputs_constant
# https://github.com/pengzhiliang/MAE-pytorch/issues/28 the mask generator yields the same mask in each epoch (here re-seeded per sample), so the model only learns to fill one fixed set of positions; right diagnosis: random mask is not random.
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits


class RandomMaskingGenerator:
    def __init__(self, n, ratio, seed):
        self.n, self.k, self.rng = n, int(n * ratio), np.random.RandomState(seed)
        self.seed = seed

    def __call__(self):
        #+ self.rng = np.random.RandomState(self.seed)
        m = np.hstack([np.zeros(self.n - self.k), np.ones(self.k)])
        self.rng.shuffle(m)
        return torch.tensor(m, dtype=torch.float32)


class MaskedDigits(Dataset):
    def __init__(self, x, seed):
        self.x, self.gen = x, RandomMaskingGenerator(64, 0.5, seed)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.gen()


torch.manual_seed(0)
x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
net = nn.Sequential(nn.Linear(128, 192), nn.GELU(), nn.Linear(192, 192), nn.GELU(), nn.Linear(192, 64))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(14):
    for img, mask in DataLoader(MaskedDigits(x[:1400], 3), batch_size=100, shuffle=True):
        pred = net(torch.cat([img * (1 - mask), mask], 1))
        loss = (((pred - img) ** 2) * mask).sum() / mask.sum()
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    t = x[1400:]
    m = (torch.rand(t.shape) < 0.5).float()
    e = ((((net(torch.cat([t * (1 - m), m], 1)) - t) ** 2) * m).sum() / m.sum()).item()
    base = ((((x[:1400].mean(0) - t) ** 2) * m).sum() / m.sum()).item()
print(f"inpainting error {e:.4f} (mean image {base:.4f})")
