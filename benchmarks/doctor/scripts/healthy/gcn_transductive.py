import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(5); torch.manual_seed(5)
n = 240; y = np.arange(n) % 4; A = np.zeros((n, n), np.float32)
P = np.where(y[:, None] == y[None], .14, .012); up = np.triu(rng.random((n, n)) < P, 1); A[up] = 1; A = A + A.T
x = np.eye(4)[y] * .8 + rng.normal(size=(n, 4))
Ah = A + np.eye(n, dtype=np.float32); dinv = 1 / np.sqrt(Ah.sum(1)); Ah = torch.tensor(Ah * dinv[:, None] * dinv[None], dtype=torch.float32)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
tr = torch.zeros(n, dtype=torch.bool); tr[torch.randperm(n)[:40]] = True
w1, w2 = nn.Linear(4, 24), nn.Linear(24, 4)
opt = torch.optim.Adam([{'params': w1.parameters(), 'weight_decay': 5e-3}, {'params': w2.parameters()}], 1e-2)
def forward(train):
    h = nn.functional.dropout(torch.relu(Ah @ w1(x)), .5, train)
    return Ah @ w2(h)
for ep in range(150):
    loss = nn.functional.cross_entropy(forward(True)[tr], y[tr]); opt.zero_grad(); loss.backward(); opt.step()
print('accuracy on the unlabelled nodes %.3f' % (forward(False).argmax(1) == y)[~tr].float().mean().item())
