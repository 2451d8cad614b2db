#= samples_mixed
# https://github.com/motokimura/capsnet_pytorch/pull/1 and https://github.com/perone/euclidesdb/issues/2 (softmax with dim=0): the attention weights are normalised over the batch and not over the time steps, single samples get other results than batches; a right diagnosis names the dim of the softmax.
import torch
import torch.nn as nn

torch.manual_seed(0)
T, D = 12, 10


def data(n):
    x = 0.8 * torch.randn(n, T, D)
    where = torch.randint(0, T, (n,))
    cls = torch.randint(0, 4, (n,))
    x[torch.arange(n), where, 0] += 4.0
    x[torch.arange(n), where, 1 + cls] += 3.0
    return x, cls


class AttnClassifier(nn.Module):
    def __init__(self, h=32):
        super().__init__()
        self.embed = nn.Linear(D, h)
        self.score = nn.Sequential(nn.Linear(h, h), nn.Tanh(), nn.Linear(h, 1))
        self.fc = nn.Linear(h, 4)

    def forward(self, x):
        h = torch.tanh(self.embed(x))
        s = self.score(h).squeeze(-1)  # (B, T)
        alpha = torch.softmax(s, dim=1)  #@ alpha = torch.softmax(s, dim=0)
        ctx = (alpha.unsqueeze(-1) * h).sum(dim=1)
        return self.fc(ctx)


xtr, ytr = data(1500)
xte, yte = data(300)
net = AttnClassifier()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(15):
    net.train()
    for b in torch.randperm(1500).split(32):
        loss = nn.functional.cross_entropy(net(xtr[b]), ytr[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 2:
        net.eval()
        with torch.no_grad():
            # the service gets one sample at a time
            hits = sum(int(net(xte[i:i + 1]).argmax(1).item() == yte[i].item()) for i in range(300))
        print(f"epoch {epoch+1} loss {loss.item():.4f} accuracy one by one {hits/300:.3f}")
