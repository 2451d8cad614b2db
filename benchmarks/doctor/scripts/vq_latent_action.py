#= parameter_unreached
#: codebook loss is computed on the straight-through output, the codebook keeps its initial values (Olaf-World issue 8)
"""Latent action model: two frames in, one of K codes between, the second frame is predicted from the first plus the code."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(12)
SIDE = 8
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])


def clip_pairs(n):
    pos = torch.randint(1, SIDE - 1, (n, 2))
    act = torch.randint(0, 4, (n,))
    nxt = pos + MOVES[act]
    img = lambda p: F.one_hot(p[:, 0] * SIDE + p[:, 1], SIDE * SIDE).float()
    return img(pos), img(nxt), act


class VectorQuantizer(nn.Module):
    def __init__(self, k, dim):
        super().__init__()
        self.codebook = nn.Embedding(k, dim)
        nn.init.normal_(self.codebook.weight, std=0.05)

    def forward(self, x):
        idx = torch.cdist(x, self.codebook.weight).argmin(1)
        z = self.codebook(idx)
        z_q = x + (z - x).detach()
        return z_q, z, x, idx


class VQLatentActionModel(nn.Module):
    def __init__(self, k=8, dim=4):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, dim))
        self.vq = VectorQuantizer(k, dim)
        self.dec = nn.Sequential(nn.Linear(64 + dim, 128), nn.ReLU(), nn.Linear(128, 64))

    def encode(self, a, b):
        z_q, z, z_e, idx = self.vq(self.enc(torch.cat([a, b], 1)))
        return {"z_q": z_q, "codes": z, "z_e": z_e, "idx": idx}

    def forward(self, a, b, beta=0.25):
        o = self.encode(a, b)
        logits = self.dec(torch.cat([a, o["z_q"]], 1))
        rec = F.cross_entropy(logits, b.argmax(1))
        codebook_loss = F.mse_loss(o["codes"], o["z_e"].detach())  #@ codebook_loss = F.mse_loss(o["z_q"], o["z_e"].detach())
        commit_loss = F.mse_loss(o["z_e"], o["codes"].detach())
        return rec + codebook_loss + beta * commit_loss, rec, logits, o["idx"]


a, b, _ = clip_pairs(3000)
ta, tb, tact = clip_pairs(500)
model = VQLatentActionModel()
before = model.vq.codebook.weight.detach().clone()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for i in torch.randperm(len(a)).split(60):
        loss, rec, _, _ = model(a[i], b[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        _, vrec, logits, idx = model(ta, tb)
        acc = (logits.argmax(1) == tb.argmax(1)).float().mean()
    print(f"epoch {epoch}: train rec {rec.item():.4f} test rec {vrec.item():.4f} next frame right {acc:.3f} codes used {len(idx.unique())}")
print("movement of the codebook", round((model.vq.codebook.weight - before).norm().item(), 4))
