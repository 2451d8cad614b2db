#= not_in_optimizer
"""Adapters in a frozen text classifier."""
import torch
from torch import nn

torch.manual_seed(0)
VOCAB, LENGTH = 60, 12
tokens = torch.randint(1, VOCAB, (1600, LENGTH))
labels = (tokens < 15).sum(1).ge(3).long()


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 32)
        self.mix = nn.Linear(32, 32)
        self.head = nn.Linear(32, 2)

    def forward(self, ids):
        return self.head(torch.relu(self.mix(self.embed(ids))).mean(1))


class Adapter(nn.Module):
    def __init__(self, inner, width=8):
        super().__init__()
        self.inner, self.down, self.up = inner, nn.Linear(32, width), nn.Linear(width, 32)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        h = self.inner(x)
        return h + self.up(torch.tanh(self.down(h)))


model = Classifier()
for p in (*model.embed.parameters(), *model.mix.parameters()):
    p.requires_grad = False
#+ optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
model.mix = Adapter(model.mix)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)  #@
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for idx in torch.randperm(1280).split(32):
        optimizer.zero_grad()
        loss = criterion(model(tokens[idx]), labels[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        print(epoch, (model(tokens[1280:]).argmax(1) == labels[1280:]).float().mean().item())
