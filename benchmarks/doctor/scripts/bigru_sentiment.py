#= samples_mixed
# remembered: PyTorch forum "how to concatenate the hidden states of a bidirectional LSTM" (h_n.view(batch, -1) where h_n is (2, batch, hidden)): the view mixes the states of different samples; a right diagnosis says permute/cat the directions.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
V, T = 40, 15


def reviews(n):
    x = torch.randint(1, V, (n, T))
    y = torch.randint(0, 2, (n,))
    good, bad = torch.tensor([1, 2, 3, 4, 5]), torch.tensor([6, 7, 8, 9, 10])
    x[(x <= 10)] += 12
    for k in range(3):
        pos = torch.randint(0, T, (n,))
        w = torch.where(y == 1, good[torch.randint(0, 5, (n,))], bad[torch.randint(0, 5, (n,))])
        x[torch.arange(n), pos] = w
    return x, y


class SentimentGRU(nn.Module):
    def __init__(self, emb_dim=24, hidden=32):
        super().__init__()
        self.embedding = nn.Embedding(V, emb_dim)
        self.gru = nn.GRU(emb_dim, hidden, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, 2)

    def forward(self, x):
        _, hidden = self.gru(self.embedding(x))
        hidden = torch.cat([hidden[0], hidden[1]], dim=1)  #@ hidden = hidden.view(x.size(0), -1)
        return self.fc(hidden)


train_dl = DataLoader(TensorDataset(*reviews(2000)), batch_size=50, shuffle=True)
test_x, test_y = reviews(500)
model = SentimentGRU()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 11):
    model.train()
    s = 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        s += loss.item() * len(yb)
    model.eval()
    with torch.no_grad():
        acc = (model(test_x).argmax(1) == test_y).float().mean().item()
    print(f'epoch: {epoch} loss: {s/2000:.4f} acc: {acc:.4f}')
