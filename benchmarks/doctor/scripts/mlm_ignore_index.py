#= target_shift
# https://github.com/649453932/Bert-Chinese-Text-Classification-Pytorch/issues/176 - the ignore label is put on the masked tokens instead of the visible ones, so the loss is copying the visible input and masked places are never learned; right: labels[~masked] = -100.
import math, torch
import torch.nn as nn
torch.manual_seed(15)
V, L, MASK = 22, 16, 1


def text(n):
    a, b = torch.randint(2, V, (n, 1)), torch.randint(1, 4, (n, 1))
    return 2 + (a + b * torch.arange(L)) % (V - 2)


def mask_tokens(inputs, mlm_probability=0.15):
    inputs, labels = inputs.clone(), inputs.clone()
    masked_indices = torch.rand(labels.shape) < mlm_probability
    labels[~masked_indices] = -100  #@ labels[masked_indices] = -100
    replaced = masked_indices & (torch.rand(labels.shape) < .8)
    inputs[replaced] = MASK
    rnd = masked_indices & ~replaced & (torch.rand(labels.shape) < .5)
    inputs[rnd] = torch.randint(2, V, (int(rnd.sum()),))
    return inputs, labels, masked_indices


class Bert(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V, d), nn.Embedding(L, d)
        self.enc = nn.TransformerEncoderLayer(d, 4, 96, dropout=0., batch_first=True)
        self.lm = nn.Linear(d, V)

    def forward(self, x):
        return self.lm(self.enc(self.tok(x) + self.pos.weight))


model = Bert()
opt = torch.optim.AdamW(model.parameters(), lr=4e-3)
for step in range(240):
    x, y, _ = mask_tokens(text(32))
    loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    opt.zero_grad(); loss.backward(); opt.step()
model.eval()
clean = text(400)
x, _, m = mask_tokens(clean)
m &= x == MASK
with torch.no_grad():
    hit = (model(x).argmax(-1) == clean)[m].float().mean().item()
print(f'train loss {loss.item():.3f}; masked tokens recovered {hit:.3f}')
