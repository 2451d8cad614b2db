import torch
import torch.nn as nn

torch.manual_seed(0)
V, T = 40, 20
g = torch.Generator().manual_seed(3)
follow = torch.randint(0, V, (V, V), generator=g)


def text(n):
    s = torch.randint(0, V, (n, 2))
    for _ in range(T - 1):
        s = torch.cat([s, follow[s[:, -1], s[:, -2]][:, None]], 1)
    return s


class TiedLM(nn.Module):
    def __init__(self, d=96):
        super().__init__()
        self.emb = nn.Embedding(V, d)
        self.rnn = nn.GRU(d, d, batch_first=True)
        self.norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, V, bias=False)
        self.out.weight = self.emb.weight
        nn.init.normal_(self.emb.weight, std=0.1)

    def forward(self, s):
        return self.out(self.norm(self.rnn(self.emb(s))[0]))


lm = TiedLM()
print("parameters", sum(p.numel() for p in lm.parameters()))
opt = torch.optim.AdamW(lm.parameters(), lr=4e-3, weight_decay=0.01)
for step in range(1, 701):
    s = text(64)
    logits = lm(s[:, :-1])
    # the second token is random, so the first prediction is left out
    loss = nn.functional.cross_entropy(logits[:, 1:].reshape(-1, V), s[:, 2:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
    opt.step()
    if step % 140 == 0:
        with torch.no_grad():
            s = text(200)
            acc = (lm(s[:, :-1])[:, 1:].argmax(-1) == s[:, 2:]).float().mean().item()
        print(f"step {step} loss {loss.item():.4f} next-token accuracy {acc:.4f}")
