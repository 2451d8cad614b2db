#= attends_to_padding
# remembered: forum "key_padding_mask: True means ignore" (attention_mask of BERT tokenizers has 1 for real tokens): the real tokens are hidden and the padding is attended to; a right diagnosis says invert the mask.
import torch
import torch.nn as nn

torch.manual_seed(0)
PAD, V, L = 0, 40, 18


def corpus(n):
    ids = torch.full((n, L), PAD)
    y = torch.randint(0, 3, (n,))
    for i in range(n):
        k = int(torch.randint(5, L - 1, (1,)))
        ids[i, :k] = torch.randint(10, V, (k,))
        ids[i, int(torch.randint(1, k, (1,)))] = 1 + y[i]
    return ids, y


class AttentionReader(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.emb = nn.Embedding(V, d)
        self.cls = nn.Parameter(torch.randn(1, 1, d) * 0.1)
        self.attn = nn.MultiheadAttention(d, 4, batch_first=True)
        self.norm = nn.LayerNorm(d)
        self.ff = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 3))

    def forward(self, ids, attention_mask):
        x = self.emb(ids)
        q = self.cls.expand(len(ids), -1, -1)
        kpm = attention_mask == 0  #@ kpm = attention_mask == 1
        a, _ = self.attn(q, x, x, key_padding_mask=kpm, need_weights=False)
        return self.ff(self.norm(a).squeeze(1))


train_ids, train_y = corpus(1500)
test_ids, test_y = corpus(400)
model = AttentionReader()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(1, 13):
    model.train()
    total = 0.0
    for b in torch.randperm(1500).split(50):
        mask = (train_ids[b] != PAD).long()
        loss = nn.functional.cross_entropy(model(train_ids[b], mask), train_y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        acc = (model(test_ids, (test_ids != PAD).long()).argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch} loss {total/30:.4f} test acc {acc:.4f}")
