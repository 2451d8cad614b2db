#= schedule_wrong
"""Transformer encoder that sorts out sequences: does the second half repeat the first? Linear warm-up, then cosine."""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
VOCAB, LENGTH, DIM = 12, 8, 32
EPOCHS, BATCH, PEAK = 12, 32, 3e-3
WARMUP_STEPS = 60  #@ WARMUP_STEPS = 10_000


def make(n):
    """Label: how many times does token 0 come before the first token 1 (at most 3)?"""
    tokens = torch.randint(0, 5, (n, LENGTH))
    before = (tokens == 1).cumsum(1) == 0
    return tokens, ((tokens == 0) & before).sum(1).clamp(max=3)


train_set, val_set = TensorDataset(*make(1600)), TensorDataset(*make(400))
train_loader = DataLoader(train_set, batch_size=BATCH, shuffle=True)
val_loader = DataLoader(val_set, batch_size=400)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(VOCAB, DIM), nn.Parameter(0.02 * torch.randn(LENGTH, DIM))
        layer = nn.TransformerEncoderLayer(DIM, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(DIM, 4)

    def forward(self, tokens):
        return self.head(self.encoder(self.embed(tokens) + self.position).mean(1))


model = Classifier()
optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, weight_decay=0.01)
total_steps = EPOCHS * len(train_loader)


def factor(step):
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / max(1, total_steps - WARMUP_STEPS)))


scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
for epoch in range(EPOCHS):
    model.train()
    for tokens, label in train_loader:
        loss = nn.functional.cross_entropy(model(tokens), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        accuracy = sum((model(t).argmax(1) == l).sum().item() for t, l in val_loader) / len(val_set)
    if epoch % 2 == 1:
        print(f"epoch {epoch} loss {loss.item():.4f} val {accuracy:.3f}")
