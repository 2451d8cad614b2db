#= attends_to_padding
"""Sentence classifier: transformer encoder with a CLS token over padded token ids."""
import torch
import torch.nn as nn

PAD, CLS, FIRST, MAX_LEN, DIM = 0, 1, 2, 18, 32


def batch_of(n, generator):
    """Sentences of 5 to 15 words. Class: is there more of the words 2-7 than of the words 8-13?"""
    lengths = torch.randint(5, 16, (n,), generator=generator)
    words = torch.randint(FIRST, FIRST + 20, (n, MAX_LEN), generator=generator)
    words[:, 0] = CLS
    words[torch.arange(MAX_LEN)[None] > lengths[:, None]] = PAD
    good = ((words >= 2) & (words < 8)).sum(1)
    bad = ((words >= 8) & (words < 14)).sum(1)
    return words, (good > bad).long()


class SentenceEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(FIRST + 20, DIM, padding_idx=PAD)
        self.positions = nn.Embedding(MAX_LEN, DIM)
        self.attention = nn.ModuleList(nn.MultiheadAttention(DIM, 4, batch_first=True) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(4))
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(DIM, 64), nn.GELU(), nn.Linear(64, DIM)) for _ in range(2))
        self.out = nn.Linear(DIM, 2)

    def forward(self, ids):
        mask = ids.eq(PAD)  #@ mask = ids.ne(PAD)
        x = self.tokens(ids) + self.positions.weight
        for i in range(2):
            h = self.norms[2 * i](x)
            x = x + self.attention[i](h, h, h, key_padding_mask=mask, need_weights=False)[0]
            x = x + self.mlps[i](self.norms[2 * i + 1](x))
        return self.out(x[:, 0])


def main():
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    ids, labels = batch_of(1500, g)
    val_ids, val_labels = batch_of(300, g)
    model = SentenceEncoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        model.train()
        for rows in torch.randperm(1500).split(30):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(ids[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = (model(val_ids).argmax(1) == val_labels).float().mean().item()
        print(f"epoch {epoch}  loss {loss.item():.4f}  val acc {acc:.3f}  majority {max(val_labels.float().mean().item(), 1 - val_labels.float().mean().item()):.3f}")


main()
