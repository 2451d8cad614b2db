#= attends_to_future
"""A character language model out of torch's encoder layers."""
import torch
import torch.nn as nn

torch.manual_seed(0)
text = ("the quick brown fox jumps over the lazy dog and then the lazy dog sleeps under a warm sun while "
        "another fox looks for the quick rabbit behind the old barn near the river ") * 40
chars = sorted(set(text))
index = {c: i for i, c in enumerate(chars)}
data = torch.tensor([index[c] for c in text])
BLOCK, WIDTH = 32, 48


class CharLM(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.tok = nn.Embedding(vocab, WIDTH)
        self.pos = nn.Parameter(torch.randn(BLOCK, WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 96, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, vocab)

    def forward(self, ids):
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])  #@
        h = self.tok(ids) + self.pos[: ids.shape[1]]
        return self.head(self.blocks(h, mask=mask))  #@ return self.head(self.blocks(h))


def get_batch(split, size=24):
    low, high = (0, 5000) if split == "train" else (5000, len(data) - BLOCK - 1)
    at = torch.randint(low, high, (size,))
    x = torch.stack([data[i : i + BLOCK] for i in at])
    y = torch.stack([data[i + 1 : i + BLOCK + 1] for i in at])
    return x, y


model = CharLM(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for step in range(200):
    xb, yb = get_batch("train")
    logits = model(xb)
    loss = nn.functional.cross_entropy(logits.view(-1, len(chars)), yb.view(-1))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        model.eval()
        with torch.no_grad():
            xv, yv = get_batch("val")
            print(step, nn.functional.cross_entropy(model(xv).flatten(0, 1), yv.flatten()).item())
        model.train()
