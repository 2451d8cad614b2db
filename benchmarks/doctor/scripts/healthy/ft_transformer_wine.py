from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
# Feature-Tokenizer Transformer: a token per column, CLS readout, no decay on tokenizer/bias/norm
class Tokenizer(nn.Module):
    def __init__(s, n, d):
        super().__init__(); s.w, s.b, s.cls = (nn.Parameter(torch.empty(*sh).uniform_(-d ** -.5, d ** -.5)) for sh in ((n, d), (n, d), (1, 1, d)))
    def forward(s, x): return torch.cat([s.cls.expand(len(x), -1, -1), x.unsqueeze(-1) * s.w + s.b], 1)
class ReGLU(nn.Module):
    def forward(s, x): a, b = x.chunk(2, -1); return a * F.relu(b)
class Layer(nn.Module):
    def __init__(s, d, h, first):
        super().__init__()
        s.n1 = nn.Identity() if first else nn.LayerNorm(d); s.at = nn.MultiheadAttention(d, h, dropout=.1, batch_first=True)
        s.n2, s.ff = nn.LayerNorm(d), nn.Sequential(nn.Linear(d, 2 * d), ReGLU(), nn.Dropout(.1), nn.Linear(d, d))
    def forward(s, x):
        z = s.n1(x); x = x + s.at(z, z, z, need_weights=False)[0]; return x + s.ff(s.n2(x))
class FTT(nn.Module):
    def __init__(s, n, c, d=24, L=2):
        super().__init__(); s.tok = Tokenizer(n, d); s.layers = nn.Sequential(*[Layer(d, 4, i == 0) for i in range(L)]); s.head = nn.Sequential(nn.LayerNorm(d), nn.ReLU(), nn.Linear(d, c))
    def forward(s, x): return s.head(s.layers(s.tok(x))[:, 0])
    def groups(s, wd):
        no = lambda n: n.startswith("tok") or n.endswith("bias") or ".n1" in n or ".n2" in n or n.startswith("head.0")
        return [{"params": [p for n, p in s.named_parameters() if not no(n)], "weight_decay": wd}, {"params": [p for n, p in s.named_parameters() if no(n)], "weight_decay": 0.}]
X, y = load_wine(return_X_y=True); scores = []
for k, (a, b) in enumerate(StratifiedKFold(3, shuffle=True, random_state=1).split(X, y)):
    torch.manual_seed(k); sc = StandardScaler().fit(X[a])
    xa, xb = (torch.tensor(sc.transform(X[i]), dtype=torch.float32) for i in (a, b)); ya, yb = torch.tensor(y[a]), torch.tensor(y[b])
    net = FTT(13, 3); opt = torch.optim.AdamW(net.groups(1e-2), lr=2e-3)
    for ep in range(15):
        net.train()
        for i in torch.randperm(len(xa)).split(16):
            loss = F.cross_entropy(net(xa[i]), ya[i]); opt.zero_grad(); loss.backward(); opt.step()
    net.eval()
    with torch.no_grad(): scores.append((net(xb).argmax(1) == yb).float().mean().item())
print(f"accuracy per fold {np.round(scores, 3)} mean {np.mean(scores):.3f}")
