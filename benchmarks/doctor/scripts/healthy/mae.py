# healthy: https://github.com/facebookresearch/mae: random masking by argsort of noise, loss only on removed patches, linear probe after; nothing is wrong.
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
torch.manual_seed(0)

class MaskedAutoencoder(nn.Module):
    def __init__(self, patch=2, size=8, dim=48, depth=2, dec=32, heads=4):
        super().__init__()
        self.p, self.n = patch, (size // patch) ** 2
        self.patch_embed = nn.Linear(patch * patch, dim)
        self.pos = nn.Parameter(torch.randn(1, self.n, dim) * .02)
        enc = lambda d: nn.TransformerEncoderLayer(d, heads, d * 2, dropout=0., batch_first=True, norm_first=True, activation='gelu')
        self.blocks = nn.ModuleList([enc(dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.dec_embed = nn.Linear(dim, dec)
        self.mask_token = nn.Parameter(torch.randn(1, 1, dec) * .02)
        self.dec_pos = nn.Parameter(torch.randn(1, self.n, dec) * .02)
        self.dec_block = enc(dec)
        self.pred = nn.Linear(dec, patch * patch)

    def patchify(self, imgs):
        h = imgs.shape[1] // self.p
        x = imgs.reshape(-1, h, self.p, h, self.p)
        return torch.einsum('nhpwq->nhwpq', x).reshape(-1, h * h, self.p ** 2)

    def random_masking(self, x, ratio):
        N, L, D = x.shape
        keep = int(L * (1 - ratio))
        noise = torch.rand(N, L)
        shuffle = noise.argsort(1)
        restore = shuffle.argsort(1)
        ids = shuffle[:, :keep]
        xm = torch.gather(x, 1, ids[..., None].expand(-1, -1, D))
        mask = torch.ones(N, L); mask[:, :keep] = 0
        return xm, torch.gather(mask, 1, restore), restore

    def encode(self, x):
        for b in self.blocks: x = b(x)
        return self.norm(x)

    def forward(self, imgs, ratio=.5):
        target = self.patchify(imgs)
        x, mask, restore = self.random_masking(self.patch_embed(target) + self.pos, ratio)
        x = self.dec_embed(self.encode(x))
        tok = self.mask_token.expand(x.size(0), self.n - x.size(1), -1)
        x = torch.gather(torch.cat([x, tok], 1), 1, restore[..., None].expand(-1, -1, x.size(2)))
        pred = self.pred(self.dec_block(x + self.dec_pos))
        loss = ((pred - target) ** 2).mean(-1)
        return (loss * mask).sum() / mask.sum()

    def features(self, imgs):
        return self.encode(self.patch_embed(self.patchify(imgs)) + self.pos).flatten(1)

d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32) / 8 - 1
xt, xv = x[:1400], x[1400:]
model = MaskedAutoencoder()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(.9, .95), weight_decay=.01)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=300)
for i in range(300):
    loss = model(xt[torch.randint(0, 1400, (64,))])
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
    if i % 75 == 0: print(i, round(loss.item(), 4))
model.eval()
with torch.no_grad():
    v = sum(model(xv).item() for _ in range(4)) / 4
    f = model.features(x).numpy()
acc = LogisticRegression(max_iter=800, C=.3).fit(f[:1400], d.target[:1400]).score(f[1400:], d.target[1400:])
print(f'masked error {v:.4f} (variance of pixels {xv.var():.4f}), probe accuracy {acc:.3f}')
