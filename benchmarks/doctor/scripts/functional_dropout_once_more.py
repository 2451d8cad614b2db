#= evaluation_not_deterministic
#: F.dropout without training=self.training, so dropout also acts in the evaluation
"""Text topic classification with bag-of-embeddings and functional dropout."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rs = np.random.RandomState(15)
torch.manual_seed(15)
V, K = 400, 6
topic_words = rs.dirichlet(np.full(V, 0.05), K)


def docs(n, length=18):
    y = rs.randint(0, K, n)
    mix = 0.4 * topic_words[y] + 0.6 / V
    x = np.stack([rs.choice(V, length, p=m / m.sum()) for m in mix])
    return torch.tensor(x), torch.tensor(y)


class TopicNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, 32)
        self.fc1 = nn.Linear(32, 48)
        self.fc2 = nn.Linear(48, K)

    def forward(self, text):
        e = self.embedding(text).mean(1)
        e = F.dropout(e, p=0.6, training=self.training)  #@ e = F.dropout(e, p=0.6)
        h = F.relu(self.fc1(e))
        h = F.dropout(h, p=0.6, training=self.training)  #@ h = F.dropout(h, p=0.6)
        return self.fc2(h)


def run_epoch(model, data, optimizer=None):
    x, y = data
    total_loss = total_hits = 0
    order = torch.randperm(len(x)) if optimizer else torch.arange(len(x))
    for idx in order.split(40):
        out = model(x[idx])
        loss = F.cross_entropy(out, y[idx])
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total_loss += loss.item() * len(idx)
        total_hits += (out.argmax(1) == y[idx]).sum().item()
    return total_loss / len(x), total_hits / len(x)


train, valid = docs(1600), docs(400)
model = TopicNet()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(10):
    model.train()
    tl, ta = run_epoch(model, train, optimizer)
    model.eval()
    with torch.no_grad():
        vl, va = run_epoch(model, valid)
    print(f"Epoch {epoch}: train {tl:.3f} {ta:.3f} | valid {vl:.3f} {va:.3f}")
