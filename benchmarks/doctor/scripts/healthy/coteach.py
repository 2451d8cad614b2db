"""Co-teaching under 40 % label noise: two nets choose small-loss samples for each other, the kept share falls; train accuracy stays low on purpose."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(201)
C = 6
centre = torch.randn(C, 20)


def blobs(n):
    y = torch.randint(0, C, (n,))
    return centre[y] + 1.1 * torch.randn(n, 20), y


def pair_flip(y, rate=0.4):
    noisy = y.clone()
    m = torch.rand(len(y)) < rate
    noisy[m] = (noisy[m] + 1) % C
    return noisy


x, clean = blobs(3000)
y = pair_flip(clean)
xt, yt = blobs(800)
make = lambda: nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, C))


def loss_coteaching(out1, out2, t, forget_rate):
    l1 = F.cross_entropy(out1, t, reduction="none")
    l2 = F.cross_entropy(out2, t, reduction="none")
    keep = int((1 - forget_rate) * len(t))
    i1, i2 = l1.detach().argsort()[:keep], l2.detach().argsort()[:keep]
    return F.cross_entropy(out1[i2], t[i2]), F.cross_entropy(out2[i1], t[i1]), i1


def acc(net):
    with torch.no_grad():
        return (net(xt).argmax(1) == yt).float().mean().item()


def plain(epochs):
    torch.manual_seed(0)
    net = make()
    o = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        for b in torch.randperm(len(x)).split(100):
            l = F.cross_entropy(net(x[b]), y[b])
            o.zero_grad()
            l.backward()
            o.step()
    return acc(net)


EPOCHS = 16
net1, net2 = make(), make()
opt1, opt2 = torch.optim.Adam(net1.parameters(), lr=1e-3), torch.optim.Adam(net2.parameters(), lr=1e-3)
for epoch in range(EPOCHS):
    forget = 0.4 * min(1.0, epoch / 5)
    pure = []
    for b in torch.randperm(len(x)).split(100):
        l1, l2, chosen = loss_coteaching(net1(x[b]), net2(x[b]), y[b], forget)
        opt1.zero_grad()
        l1.backward()
        opt1.step()
        opt2.zero_grad()
        l2.backward()
        opt2.step()
        pure.append((y[b][chosen] == clean[b][chosen]).float().mean().item())
    if epoch % 3 == 0 or epoch == EPOCHS - 1:
        print(f"epoch {epoch} loss {l1.item():.3f} {l2.item():.3f} forget {forget:.2f} purity {sum(pure) / len(pure):.3f} clean test acc {acc(net1):.3f} {acc(net2):.3f}")
print(f"plain training on the same labels: {plain(EPOCHS):.3f}")
