"""sanity check before a long run: the model must be able to memorise 16 random sentences"""
import torch, torch.nn as nn
torch.manual_seed(0)
x = torch.randint(0, 50, (16, 12)); y = torch.randint(0, 5, (16,))
class Clf(nn.Module):
    def __init__(self):
        super().__init__(); self.e = nn.Embedding(50, 32); self.r = nn.GRU(32, 48, batch_first=True); self.o = nn.Linear(48, 5)
    def forward(self, t): return self.o(self.r(self.e(t))[1][-1])
m = Clf(); opt = torch.optim.Adam(m.parameters(), 5e-3)
start = nn.functional.cross_entropy(m(x), y).item()
for s in range(90):
    loss = nn.functional.cross_entropy(m(x), y); opt.zero_grad(); loss.backward(); opt.step()
assert loss.item() < .05
print('one batch: loss %.3f -> %.4f' % (start, loss.item()))
