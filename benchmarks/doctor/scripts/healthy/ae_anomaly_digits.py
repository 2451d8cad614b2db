import numpy as np, torch, torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
# denoising convolutional autoencoder trained on one class only; threshold from a clean hold-out, both classes at test
torch.manual_seed(0); rng = np.random.RandomState(0)
X, y = load_digits(return_X_y=True); X = torch.tensor(X / 16., dtype=torch.float32).view(-1, 1, 8, 8)
NORMAL = 0
nor = np.where(y == NORMAL)[0]; rng.shuffle(nor); tr, va, tn = nor[:110], nor[110:140], nor[140:]
odd = np.where(y != NORMAL)[0]; rng.shuffle(odd); odd = odd[:200]
class DAE(nn.Module):
    def __init__(self, z=6):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1), nn.LeakyReLU(.1), nn.Conv2d(12, 24, 3, 2, 1), nn.LeakyReLU(.1), nn.Flatten(), nn.Linear(96, z))
        self.dec = nn.Sequential(nn.Linear(z, 96), nn.LeakyReLU(.1), nn.Unflatten(1, (24, 2, 2)), nn.ConvTranspose2d(24, 12, 4, 2, 1), nn.LeakyReLU(.1), nn.ConvTranspose2d(12, 1, 4, 2, 1), nn.Sigmoid())
    def forward(self, x): return self.dec(self.enc(x))
net = DAE(); opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for ep in range(80):
    net.train()
    for b in np.array_split(rng.permutation(tr), 4):
        clean = X[b]; noisy = (clean + .15 * torch.randn_like(clean)).clamp(0, 1)
        loss = nn.functional.mse_loss(net(noisy), clean); opt.zero_grad(); loss.backward(); opt.step()
net.eval()
@torch.no_grad()
def err(i): return ((net(X[i]) - X[i]) ** 2).mean((1, 2, 3)).numpy()
thr = np.percentile(err(va), 95); en, eo = err(tn), err(odd)
print(f"threshold {thr:.4f} false alarms {np.mean(en > thr):.3f} detected {np.mean(eo > thr):.3f} AUC {roc_auc_score(np.r_[np.zeros(len(en)), np.ones(len(eo))], np.r_[en, eo]):.3f}")
