#= samples_mixed
# remembered: Stack Overflow/forum "nn.TransformerEncoderLayer default batch_first=False" given (batch, seq, feature): the samples of a batch attend to each other and the tokens of one sample never do; a right diagnosis says batch_first=True.
import torch
import torch.nn as nn
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(0)
V, L = 30, 12


def make(n):
    x = torch.randint(2, V, (n, L))
    y = torch.randint(0, 2, (n,))
    # class 1: token 0 comes before token 1 somewhere, class 0: the other order
    for i in range(n):
        a, b = sorted(torch.randperm(L)[:2].tolist())
        x[i, a], x[i, b] = (0, 1) if y[i] == 1 else (1, 0)
    return x, y


class TransformerClassifier(nn.Module):
    def __init__(self, d_model=32, nhead=4, layers=2):
        super().__init__()
        self.token = nn.Embedding(V, d_model)
        self.position = nn.Embedding(L, d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0, batch_first=True)  #@ layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.fc = nn.Linear(d_model, 2)

    def forward(self, x):
        pos = torch.arange(x.size(1))
        h = self.token(x) + self.position(pos)
        h = self.encoder(h)
        return self.fc(h[:, 0])


loader = DataLoader(TensorDataset(*make(1500)), batch_size=50, shuffle=True)
xt, yt = make(400)
model = TransformerClassifier()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(14):
    model.train()
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        acc = (model(xt).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch+1} loss {loss.item():.4f} acc {acc:.4f}")
