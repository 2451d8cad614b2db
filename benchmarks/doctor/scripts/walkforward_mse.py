#= loss_broadcasts
# https://github.com/jsboige/CoursIA/pull/926 - with pred_len=1 the model gives (B,1), the target is (B,), the squared difference broadcasts to (B,B) and the model learns the mean; right: y.view_as(pred).
import warnings; warnings.filterwarnings('ignore')
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(33); torch.manual_seed(33)

n = 1100
ar = np.zeros(n)
for t in range(2, n):
    ar[t] = 1.6 * ar[t - 1] - .8 * ar[t - 2] + rng.normal()
ar = ((ar - ar[:800].mean()) / ar[:800].std()).astype(np.float32)

class Windows(torch.utils.data.Dataset):
    def __init__(self, s, seq_len=12): self.s, self.L = torch.from_numpy(s), seq_len
    def __len__(self): return len(self.s) - self.L
    def __getitem__(self, i): return self.s[i:i + self.L], self.s[i + self.L]

class PatchMixer(nn.Module):
    def __init__(self, seq_len=12, patch=3, d=16, pred_len=1):
        super().__init__()
        self.patch = patch
        self.emb = nn.Linear(patch, d)
        self.mix = nn.Sequential(nn.Linear(d * seq_len // patch, 32), nn.GELU())
        self.head = nn.Linear(32, pred_len)
    def forward(self, x):
        return self.head(self.mix(self.emb(x.unfold(1, self.patch, self.patch)).flatten(1)))

model, criterion = PatchMixer(), nn.MSELoss()
opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(8):
    for xb, yb in torch.utils.data.DataLoader(Windows(ar[:800]), 32, shuffle=True):
        pred = model(xb)
        loss = criterion(pred, yb.view_as(pred))  #@ loss = criterion(pred, yb)
        opt.zero_grad(); loss.backward(); opt.step()
te = Windows(ar[800:])
x = torch.stack([te[i][0] for i in range(len(te))]); y = torch.stack([te[i][1] for i in range(len(te))])
with torch.no_grad(): p = model(x).squeeze(1)
print('MAE %.3f, naive mean forecast %.3f' % ((p - y).abs().mean().item(), y.abs().mean().item()))
