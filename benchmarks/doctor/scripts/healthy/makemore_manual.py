# character n-gram MLP for names, everything by hand: parameters in a list, batch-norm, update rule (after makemore part 3)
import torch, torch.nn.functional as F, random
g = torch.Generator().manual_seed(2147483647); random.seed(42)
syl = ["ma", "ri", "an", "el", "la", "jo", "na", "ka", "te", "lin", "mo", "sa", "ben", "da", "vi"]
words = list({"".join(random.choice(syl) for _ in range(random.randint(1, 3))) + random.choice(["", "a", "o", "n"]) for _ in range(2500)})
words.sort(); random.shuffle(words)
chars = sorted(set("".join(words))); stoi = {s: i + 1 for i, s in enumerate(chars)}; stoi["."] = 0
V, block_size = len(stoi), 3

def build_dataset(ws):
    X, Y = [], []
    for w in ws:
        context = [0] * block_size
        for ch in w + ".":
            X.append(context); Y.append(stoi[ch]); context = context[1:] + [stoi[ch]]
    return torch.tensor(X), torch.tensor(Y)

n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
Xtr, Ytr = build_dataset(words[:n1]); Xdev, Ydev = build_dataset(words[n1:n2]); Xte, Yte = build_dataset(words[n2:])

n_embd, n_hidden = 10, 100
C = torch.randn((V, n_embd), generator=g)
W1 = torch.randn((n_embd * block_size, n_hidden), generator=g) * (5 / 3) / (n_embd * block_size) ** 0.5
W2 = torch.randn((n_hidden, V), generator=g) * 0.01
b2 = torch.zeros(V)
bngain, bnbias = torch.ones((1, n_hidden)), torch.zeros((1, n_hidden))
bnmean_running, bnstd_running = torch.zeros((1, n_hidden)), torch.ones((1, n_hidden))
parameters = [C, W1, W2, b2, bngain, bnbias]
for p in parameters:
    p.requires_grad = True

max_steps, batch_size = 4000, 64
for i in range(max_steps):
    ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g)
    emb = C[Xtr[ix]]
    hpreact = emb.view(emb.shape[0], -1) @ W1
    bnmeani, bnstdi = hpreact.mean(0, keepdim=True), hpreact.std(0, keepdim=True)
    hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
    with torch.no_grad():
        bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani
        bnstd_running = 0.999 * bnstd_running + 0.001 * bnstdi
    logits = torch.tanh(hpreact) @ W2 + b2
    loss = F.cross_entropy(logits, Ytr[ix])
    for p in parameters:
        p.grad = None
    loss.backward()
    lr = 0.1 if i < 3000 else 0.01
    for p in parameters:
        p.data += -lr * p.grad

@torch.no_grad()
def split_loss(x, y):
    h = torch.tanh(bngain * (C[x].view(len(x), -1) @ W1 - bnmean_running) / bnstd_running + bnbias)
    return F.cross_entropy(h @ W2 + b2, y).item()

print(f"train {split_loss(Xtr, Ytr):.3f} dev {split_loss(Xdev, Ydev):.3f} test {split_loss(Xte, Yte):.3f} unigram {-(torch.bincount(Ytr, minlength=V).float().clamp(min=1)/len(Ytr)).log()[Yte].mean():.3f}")
