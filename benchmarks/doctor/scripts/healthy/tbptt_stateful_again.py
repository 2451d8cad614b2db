"""Stateful GRU over long parallel streams, truncated back-propagation, state kept between chunks."""
import torch
import torch.nn as nn

torch.manual_seed(2)
STREAMS, LENGTH, CHUNK = 16, 1600, 40


def streams(n, length):
    # a latch: +1 switches the level on, -1 switches it off, in between it must be remembered
    trig = (torch.rand(n, length) < 0.04).float() * (torch.randint(0, 2, (n, length)) * 2 - 1)
    level = torch.zeros(n, length)
    cur = torch.zeros(n)
    for t in range(length):
        cur = torch.where(trig[:, t] != 0, (trig[:, t] > 0).float(), cur)
        level[:, t] = cur
    x = torch.stack([trig, 0.3 * torch.randn(n, length)], -1)
    y = (level * 1.0 + 0.5 * x[..., 1]).unsqueeze(-1)
    return x, y


class Tracker(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x, h):
        z, h = self.gru(x, h)
        return self.out(z), h


x, y = streams(STREAMS, LENGTH)
xv, yv = streams(16, 400)
model = Tracker()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
mse = nn.MSELoss()

for epoch in range(6):
    h = None
    total = 0.0
    # order matters here, so chunks are not shuffled
    for s in range(0, LENGTH, CHUNK):
        if h is not None:
            h = h.detach()
        pred, h = model(x[:, s:s + CHUNK], h)
        loss = mse(pred, y[:, s:s + CHUNK])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        total += loss.item()
    with torch.no_grad():
        pv, _ = model(xv, None)
        print("epoch %d train %.4f valid %.4f (variance %.3f)" % (epoch, total * CHUNK / LENGTH, mse(pv, yv).item(), yv.var().item()))
