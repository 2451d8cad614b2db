"""Which of two marks comes first in a padded sequence: an encoder with fused attention, Adam, linear warm-up."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LONGEST = 10
PADDING = 0


def load_data(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(3, 12, (1500, LONGEST), generator=generator)
    lengths = torch.randint(5, LONGEST + 1, (1500,), generator=generator)
    y = torch.randint(0, 2, (1500,), generator=generator)
    for row, (length, answer) in enumerate(zip(lengths.tolist(), y.tolist(), strict=True)):
        places = torch.randperm(length, generator=generator)[:2].sort().values
        x[row, places] = torch.tensor([1, 2] if answer else [2, 1])
        x[row, length:] = PADDING
    x_train, y_train = x[:1200], y[:1200]
    x_valid, y_valid = x[1200:], y[1200:]
    return x_train, y_train, x_valid, y_valid


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x, present):
        batch, length, width = x.shape
        z = self.norm1(x)
        q, k, v = (one(z).view(batch, length, self.heads, -1).transpose(1, 2) for one in (self.q, self.k, self.v))
        mask = present[:, None, None, :]
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(z.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(12, 32)
        self.positions = nn.Embedding(LONGEST, 32)
        self.dropout = nn.Dropout(0.05)
        self.blocks = nn.ModuleList([Block(32, 2), Block(32, 2)])
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        present = x != PADDING
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h, present)
        h = (self.norm(h) * present.unsqueeze(-1)).sum(1) / present.sum(1, keepdim=True)
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.cross_entropy(model(x), y, reduction="sum").item()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=150)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=20)
    for epoch in range(5):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, y)
            loss.backward()
            optimizer.step()
            scheduler.step()
        valid_loss = evaluate(model, valid_loader)
        print(f"epoch {epoch}: loss {valid_loss:.3f}")
    return -valid_loss


if __name__ == "__main__":
    main()
