#= target_shift
#: https://github.com/Project-MONAI/GenerativeModels/issues/314 the autoregressive transformer is trained to predict token N from tokens 0..N (no shift), so it learns to copy its input; a right diagnosis says logits[:, :-1] must meet tokens[:, 1:].
"""Autoregressive transformer over discrete codes; quality = how well the next code is predicted."""
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
V, T = 24, 20
gen = torch.Generator().manual_seed(3)
table = torch.stack([torch.randperm(V, generator=gen) for _ in range(2)])

def codes(n):
    k = torch.randint(2, (n,), generator=gen)
    s = [torch.randint(V, (n,), generator=gen)]
    for _ in range(T - 1):
        flip = torch.rand(n, generator=gen) < 0.05
        s.append(torch.where(flip, torch.randint(V, (n,), generator=gen), table[k, s[-1]]))
    return torch.stack(s, 1)

class DecoderOnly(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V, d), nn.Embedding(T, d)
        layer = nn.TransformerEncoderLayer(d, 4, 96, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.to_logits = nn.Linear(d, V)

    def forward(self, x):
        m = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        return self.to_logits(self.body(self.tok(x) + self.pos.weight[: x.size(1)], mask=m))

class Trainer:
    def __init__(self, model, train, val, lr=3e-3):
        self.model, self.train_x, self.val_x = model, train, val
        self.opt = torch.optim.Adam(model.parameters(), lr)

    def step(self, latent):
        logits = self.model(latent).transpose(1, 2)
        loss = F.cross_entropy(logits[:, :, :-1], latent[:, 1:])  #@ loss = F.cross_entropy(logits, latent)
        self.opt.zero_grad(); loss.backward(); self.opt.step()
        return loss.item()

    def fit(self, epochs):
        for ep in range(epochs):
            tot = [self.step(self.train_x[b]) for b in torch.randperm(len(self.train_x)).split(64)]
            print(f"epoch {ep} loss {sum(tot) / len(tot):.4f}")

    @torch.no_grad()
    def continuation(self):
        self.model.eval()
        x = self.val_x[:, :10]
        nxt = self.model(x)[:, -1].argmax(-1)
        return (nxt == self.val_x[:, 10]).float().mean().item()

tr = Trainer(DecoderOnly(), codes(2000), codes(400))
tr.fit(6)
print(f"next code accuracy {tr.continuation():.3f}")
