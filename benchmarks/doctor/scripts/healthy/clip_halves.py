import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
torch.manual_seed(0); np.random.seed(0)
# contrastive pre-training between a picture of a digit and its "caption" (a short token string), then zero-shot classes
X, y = load_digits(return_X_y=True); X = (X / 16.0).astype("float32")
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
templ = ["a {} here", "this is {}", "digit {} ok", "{}"]
def tok(s): return torch.tensor(([ord(c) - 96 if c != " " else 27 for c in s] + [0] * 16)[:16])
class ImageEnc(nn.Module):
    def __init__(s, d=32):
        super().__init__()
        s.net = nn.Sequential(nn.Conv2d(1, 16, 3, 1, 1), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, 1, 1), nn.GELU(), nn.Flatten(), nn.Linear(512, d))
    def forward(s, x): return s.net(x.view(-1, 1, 8, 8))
class TextEnc(nn.Module):
    def __init__(s, d=32):
        super().__init__()
        s.e, s.c, s.p = nn.Embedding(28, 32, padding_idx=0), nn.Conv1d(32, 64, 4, padding=2), nn.Linear(64, d)
    def forward(s, t): return s.p(F.relu(s.c(s.e(t).transpose(1, 2))).amax(2))
img, txt = ImageEnc(), TextEnc()
logit_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
no_wd = [logit_scale] + [p for m in (img, txt) for p in m.parameters() if p.ndim < 2]
wd = [p for m in (img, txt) for p in m.parameters() if p.ndim >= 2]
opt = torch.optim.AdamW([{"params": wd, "weight_decay": 0.1}, {"params": no_wd, "weight_decay": 0.}], lr=2e-3, betas=(0.9, 0.98), eps=1e-6)
Xt = torch.tensor(Xtr)
for epoch in range(10):
    for idx in torch.randperm(len(Xt)).split(64):
        cap = torch.stack([tok(templ[np.random.randint(4)].format(names[ytr[i]])) for i in idx.tolist()])
        a, b = F.normalize(img(Xt[idx]), dim=-1), F.normalize(txt(cap), dim=-1)
        s = logit_scale.exp() * a @ b.t()
        same = torch.tensor(ytr[idx.numpy()]); tgt = (same[:, None] == same[None]).float(); tgt /= tgt.sum(1, keepdim=True)
        loss = (F.cross_entropy(s, tgt) + F.cross_entropy(s.t(), tgt)) / 2
        opt.zero_grad(); loss.backward(); opt.step()
        with torch.no_grad(): logit_scale.clamp_(0, np.log(100))
img.eval(); txt.eval()
with torch.no_grad():
    W = torch.stack([F.normalize(F.normalize(txt(torch.stack([tok(t.format(n)) for t in templ])), dim=-1).mean(0), dim=0) for n in names])
    acc = ((F.normalize(img(torch.tensor(Xte)), dim=-1) @ W.t()).argmax(1).numpy() == yte).mean()
print(f"loss {loss.item():.3f} scale {logit_scale.exp().item():.1f} zero-shot accuracy {acc:.3f}")
