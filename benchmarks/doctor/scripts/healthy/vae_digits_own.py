import argparse, torch
from torch import nn, optim
from torch.nn import functional as F
from sklearn.datasets import load_digits
ap = argparse.ArgumentParser(description='VAE digits'); ap.add_argument('--batch-size', type=int, default=64); ap.add_argument('--epochs', type=int, default=15); args = ap.parse_args([])
torch.manual_seed(1)
X = torch.tensor(load_digits().data, dtype=torch.float32) / 16; X = X[torch.randperm(len(X))]; tr, te = X[:1500], X[1500:]
class VAE(nn.Module):
    def __init__(self):
        super().__init__(); self.fc1 = nn.Linear(64, 128); self.fc21 = nn.Linear(128, 8); self.fc22 = nn.Linear(128, 8); self.fc3 = nn.Linear(8, 128); self.fc4 = nn.Linear(128, 64)
    def encode(self, x): h = F.relu(self.fc1(x)); return self.fc21(h), self.fc22(h)
    def reparameterize(self, mu, logvar):
        if not self.training: return mu
        return mu + torch.randn_like(mu) * torch.exp(.5 * logvar)
    def decode(self, z): return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))
    def forward(self, x): mu, lv = self.encode(x); return self.decode(self.reparameterize(mu, lv)), mu, lv
def loss_function(rx, x, mu, lv):
    return F.binary_cross_entropy(rx, x, reduction='sum') - .5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())
model = VAE(); opt = optim.Adam(model.parameters(), lr=2e-3)
for ep in range(args.epochs):
    model.train(); tot = 0
    for b in torch.randperm(1500).split(args.batch_size):
        opt.zero_grad(); loss = loss_function(*[(o) for o in (lambda r: (r[0], tr[b], r[1], r[2]))(model(tr[b]))]); loss.backward(); opt.step(); tot += loss.item()
    if ep % 5 == 4: print('epoch', ep + 1, 'avg elbo loss %.3f' % (tot / 1500))
model.eval()
with torch.no_grad():
    r, mu, lv = model(te); print('test loss %.3f, mean recon mse %.4f vs data var %.4f' % (loss_function(r, te, mu, lv) / len(te), F.mse_loss(r, te), te.var(0).mean()))
