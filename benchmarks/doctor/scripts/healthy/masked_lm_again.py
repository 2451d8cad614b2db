"""Masked language model (15 % of the tokens, 80/10/10 rule) on a synthetic copy grammar; only masked positions count."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(20)
V, L, MASK = 12, 12, 12


def corpus(n):
    first = torch.randint(0, V, (n, L // 2))
    second = (first + 3) % V                      # the second half repeats the first one, shifted by three
    return torch.cat([first, second], 1)


def mask_tokens(ids, p=0.15):
    labels = ids.clone()
    chosen = torch.rand(ids.shape) < p
    labels[~chosen] = -100
    r = torch.rand(ids.shape)
    ids = ids.clone()
    ids[chosen & (r < 0.8)] = MASK
    swap = chosen & (r >= 0.8) & (r < 0.9)
    ids[swap] = torch.randint(0, V, (int(swap.sum()),))
    return ids, labels


class BertForMaskedLM(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.tok, self.pos = nn.Embedding(V + 1, d), nn.Parameter(0.5 * torch.randn(1, L, d))
        layer = nn.TransformerEncoderLayer(d, 4, 96, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.bias = nn.LayerNorm(d), nn.Parameter(torch.zeros(V))

    def forward(self, ids):
        h = self.norm(self.encoder(self.tok(ids) + self.pos))
        return h @ self.tok.weight[:V].T + self.bias             # tied decoder


model = BertForMaskedLM()
optim = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
train = corpus(1500)
test_in, test_labels = mask_tokens(corpus(400))
sched = torch.optim.lr_scheduler.OneCycleLR(optim, max_lr=3e-3, total_steps=12 * 24)
for epoch in range(12):
    model.train()
    for b in torch.randperm(1500)[:1488].split(62):
        ids, labels = mask_tokens(train[b])
        loss = F.cross_entropy(model(ids).transpose(1, 2), labels, ignore_index=-100)
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        logits = model(test_in)
        m = test_labels != -100
        acc = (logits.argmax(-1)[m] == test_labels[m]).float().mean()
        print(f"epoch {epoch} train {loss.item():.3f} test {F.cross_entropy(logits[m], test_labels[m]).item():.3f} masked accuracy {acc.item():.3f}")
