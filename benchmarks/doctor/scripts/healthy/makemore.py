"""character model of invented names, in the manner of makemore's MLP: raw tensors, manual batch norm, lr drop at half time"""
import torch, torch.nn.functional as F, random
random.seed(42)
syl = ['ka', 'lo', 'mi', 'ra', 'ten', 'shi', 'vo', 'el', 'dan', 'nu']
words = sorted({''.join(random.choice(syl) for _ in range(random.choice([2, 3]))) for _ in range(700)})
random.shuffle(words)
chars = sorted(set(''.join(words))); stoi = {c: i + 1 for i, c in enumerate(chars)}; stoi['.'] = 0; V = len(stoi); block = 4
def build(ws):
    X, Y = [], []
    for w in ws:
        ctx = [0] * block
        for ch in w + '.':
            X.append(ctx); Y.append(stoi[ch]); ctx = ctx[1:] + [stoi[ch]]
    return torch.tensor(X), torch.tensor(Y)
n1 = int(.85 * len(words)); Xtr, Ytr = build(words[:n1]); Xdev, Ydev = build(words[n1:])
g = torch.Generator().manual_seed(2147483647)
C = torch.randn((V, 8), generator=g)
W1 = torch.randn((8 * block, 80), generator=g) * (5 / 3) / (8 * block) ** .5
W2 = torch.randn((80, V), generator=g) * .01; b2 = torch.zeros(V)
bngain, bnbias = torch.ones((1, 80)), torch.zeros((1, 80)); mr, sr = torch.zeros((1, 80)), torch.ones((1, 80))
params = [C, W1, W2, b2, bngain, bnbias]
for p in params: p.requires_grad = True
for i in range(3000):
    ix = torch.randint(0, Xtr.shape[0], (32,), generator=g)
    h = C[Xtr[ix]].view(32, -1) @ W1
    m, s = h.mean(0, keepdim=True), h.std(0, keepdim=True)
    h = torch.tanh(bngain * (h - m) / s + bnbias)
    with torch.no_grad(): mr = .99 * mr + .01 * m; sr = .99 * sr + .01 * s
    loss = F.cross_entropy(h @ W2 + b2, Ytr[ix])
    for p in params: p.grad = None
    loss.backward()
    lr = .1 if i < 2000 else .01
    for p in params: p.data += -lr * p.grad
@torch.no_grad()
def split_loss(x, y):
    h = torch.tanh(bngain * (C[x].view(x.shape[0], -1) @ W1 - mr) / sr + bnbias); return F.cross_entropy(h @ W2 + b2, y).item()
print('train', round(split_loss(Xtr, Ytr), 3), 'dev', round(split_loss(Xdev, Ydev), 3))
