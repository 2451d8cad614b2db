#= target_shift
# https://github.com/Project-MONAI/GenerativeModels/issues/314 "Fix transformer training": the language model is trained to predict token N from tokens 0..N inclusive, so it only copies its input; a right diagnosis says shift the targets by one.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
V, L = 16, 24


def sequences(n):
    a = torch.randint(0, V, (n,))
    step = torch.randint(1, 4, (n,))
    t = torch.arange(L)
    return (a[:, None] + step[:, None] * t) % V


class TinyGPT(nn.Module):
    def __init__(self, d=48, heads=4):
        super().__init__()
        self.tok = nn.Embedding(V, d)
        self.pos = nn.Parameter(0.02 * torch.randn(L, d))
        layer = nn.TransformerEncoderLayer(d, heads, 96, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2)
        self.out = nn.Linear(d, V)

    def forward(self, x):
        T = x.size(1)
        causal = torch.triu(torch.full((T, T), float("-inf")), diagonal=1)
        h = self.tok(x) + self.pos[:T]
        return self.out(self.blocks(h, mask=causal))


@torch.no_grad()
def continuation_accuracy(model, n=64, prompt=6):
    model.eval()
    full = sequences(n)
    cur = full[:, :prompt]
    while cur.size(1) < L:
        cur = torch.cat([cur, model(cur)[:, -1].argmax(-1, keepdim=True)], dim=1)
    model.train()
    return (cur[:, prompt:] == full[:, prompt:]).float().mean().item()


model = TinyGPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for step in range(1, 401):
    latent = sequences(32)
    logits = model(latent)
    loss = F.cross_entropy(logits[:, :-1].reshape(-1, V), latent[:, 1:].reshape(-1))  #@ loss = F.cross_entropy(logits.reshape(-1, V), latent.reshape(-1))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.4f} continuation accuracy {continuation_accuracy(model):.3f}")
