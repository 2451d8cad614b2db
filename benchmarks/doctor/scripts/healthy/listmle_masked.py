import torch, torch.nn as nn
PADV = -1
g = torch.Generator().manual_seed(5); torch.manual_seed(5)
def lists(n, m=20, f=8):
    x = torch.randn(n, m, f, generator=g)
    s = x[..., 0] - x[..., 1].abs() + x[..., 2] * x[..., 3] + 0.3 * torch.randn(n, m, generator=g)
    y = torch.bucketize(s, torch.tensor([-1., 0., 1., 2.])).float()
    ln = torch.randint(5, m + 1, (n, 1), generator=g); y = y.masked_fill(torch.arange(m) >= ln, PADV)
    return x.masked_fill((y == PADV)[..., None], 0.0), y
def list_mle(pred, true, eps=1e-10):
    """shuffle for tie resolution, sort by label, Plackett-Luce likelihood; padded documents take no part"""
    p = torch.randperm(pred.shape[-1]); pred, true = pred[:, p], true[:, p]
    ys, idx = true.sort(descending=True, dim=-1)
    mask = ys == PADV
    sp = pred.gather(1, idx).masked_fill(mask, float("-inf"))
    sp = sp - sp.max(1, keepdim=True).values
    cum = sp.exp().flip(1).cumsum(1).flip(1)
    obs = (cum + eps).log() - sp
    return obs.masked_fill(mask, 0.0).sum(1).mean()
class Scorer(nn.Module):
    """self-attention over the documents of a list (allRank style context model)"""
    def __init__(self, f=8, d=32):
        super().__init__()
        self.inp = nn.Linear(f, d)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 2, 64, 0.1, batch_first=True), 1, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.Linear(d, 32), nn.ReLU(), nn.Linear(32, 1))
    def forward(self, x, mask): return self.out(self.enc(self.inp(x), src_key_padding_mask=mask)).squeeze(-1)
def ndcg(s, y, k=5):
    m = y == PADV; gain = (2 ** y - 1).masked_fill(m, 0.)
    d = 1 / torch.log2(torch.arange(k) + 2.)
    got = (gain.gather(1, s.masked_fill(m, -1e9).topk(k).indices) * d).sum(1); best = (gain.topk(k).values * d).sum(1)
    ok = best > 0; return (got[ok] / best[ok]).mean().item()
xtr, ytr = lists(800); xte, yte = lists(200)
net = Scorer(); opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
sch = torch.optim.lr_scheduler.StepLR(opt, 6, 0.5)
for ep in range(15):
    net.train()
    for b in torch.randperm(800).split(64):
        loss = list_mle(net(xtr[b], ytr[b] == PADV), ytr[b])
        opt.zero_grad(); loss.backward(); opt.step()
    sch.step()
net.eval()
with torch.no_grad(): print(f"loss {loss.item():.2f} NDCG@5 {ndcg(net(xte, yte == PADV), yte):.3f} (random order {ndcg(torch.rand(yte.shape), yte):.3f})")
