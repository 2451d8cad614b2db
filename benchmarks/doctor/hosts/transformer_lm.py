"""A small GPT on sentences of a toy grammar, by characters: AdamW, warm-up and cosine decay, gradients clipped."""

import math
import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LENGTH = 24
EPOCHS = 3


def load_data(seed):
    chance = random.Random(seed)
    nouns = ["cat", "dog", "bird", "child", "horse", "old man", "teacher", "river"]
    verbs = ["sees", "likes", "follows", "hears", "paints"]
    ends = ["today", "in the house", "at night", "with joy", "again"]
    text = "".join(
        f"the {chance.choice(nouns)} {chance.choice(verbs)} the {chance.choice(nouns)} {chance.choice(ends)}. "
        for _ in range(1000)
    )
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(one) for one in text])
    windows = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].view(-1, LENGTH + 1)
    x, y = windows[:, :-1], windows[:, 1:]
    x_train, y_train = x[:800], y[:800]
    x_valid, y_valid = x[800:1000], y[800:1000]
    return x_train, y_train, x_valid, y_valid


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.register_buffer("mask", torch.ones(LENGTH, LENGTH).triu(diagonal=1).bool())

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(self.mask[:length, :length], float("-inf"))
        weights = scores.softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, 4)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(32, 32)
        self.positions = nn.Embedding(LENGTH, 32)
        self.blocks = nn.ModuleList([Block(32), Block(32)])
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 32)

    def forward(self, x):
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            output = model(x)
            total += F.cross_entropy(output.flatten(0, 1), y.flatten()).item() * len(x)
    model.train()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=16, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=50)
    steps = EPOCHS * len(train_loader)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.008, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 20, 0.1 + 0.45 * (1 + math.cos(math.pi * step / steps)))
    )
    for epoch in range(EPOCHS):
        for x, y in train_loader:
            output = model(x)
            loss = F.cross_entropy(output.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        valid_loss = evaluate(model, valid_loader)
        print(f"epoch {epoch}: loss {valid_loss:.3f}")
    return -valid_loss


if __name__ == "__main__":
    main()
