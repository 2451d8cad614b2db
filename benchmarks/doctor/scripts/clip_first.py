#= clipping_wrong
"""Character-level names with a GRU; gradients are clipped against explosions."""
import torch
import torch.nn as nn

torch.manual_seed(0)
names = ("anna ben carla dieter emma felix greta hannes ida jonas klara lukas mia noah olivia paul quirin rosa "
         "simon tina ulla viktor wanda xaver yvonne zoe").split()
alphabet = "." + "abcdefghijklmnopqrstuvwxyz"
stoi = {c: i for i, c in enumerate(alphabet)}
longest = max(map(len, names)) + 1
x = torch.zeros(len(names), longest, dtype=torch.long)
y = torch.full((len(names), longest), -1)
for row, name in enumerate(names):
    coded = [stoi[c] for c in "." + name + "."]
    x[row, :len(coded) - 1] = torch.tensor(coded[:-1])
    y[row, :len(coded) - 1] = torch.tensor(coded[1:])


class CharGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(27, 16)
        self.gru = nn.GRU(16, 64, batch_first=True)
        self.lin = nn.Linear(64, 27)

    def forward(self, ids):
        out, _ = self.gru(self.emb(ids))
        return self.lin(out)


model = CharGRU()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
for it in range(200):
    logits = model(x)
    loss = nn.functional.cross_entropy(logits.reshape(-1, 27), y.reshape(-1), ignore_index=-1)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)  #@
    optimizer.step()
    #+ nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if it % 50 == 0:
        print(it, loss.item())
