#= unregistered_parameter
#: LSTM cells of the meta optimizer stay in a python list and are never trained (pytorch-meta-optimizer issue 11)
"""Learning to learn by gradient descent: an LSTM proposes the updates for random quadratic problems."""
import torch
import torch.nn as nn

torch.manual_seed(6)
N = 6


class Quadratic:
    def __init__(self, batch):
        self.w = torch.randn(batch, N, N)
        self.y = torch.randn(batch, N)

    def loss(self, theta):
        return ((self.w @ theta[..., None])[..., 0] - self.y).square().sum(1)

    def grad(self, theta):
        r = (self.w @ theta[..., None])[..., 0] - self.y
        return 2 * (self.w.transpose(1, 2) @ r[..., None])[..., 0].detach()


class MetaOptimizer(nn.Module):
    def __init__(self, num_layers=2, hidden_size=16):
        super().__init__()
        self.hidden_size = hidden_size
        self.linear1 = nn.Linear(2, hidden_size)
        self.lstms = []
        for i in range(num_layers):
            self.lstms.append(nn.LSTMCell(hidden_size, hidden_size))
        self.lstms = nn.ModuleList(self.lstms)  #@
        self.linear2 = nn.Linear(hidden_size, 1)
        self.linear2.weight.data.mul_(0.1)
        self.linear2.bias.data.zero_()

    def reset_lstm(self, n):
        self.hx = [torch.zeros(n, self.hidden_size) for _ in self.lstms]
        self.cx = [torch.zeros(n, self.hidden_size) for _ in self.lstms]

    def forward(self, g):
        flat = g.reshape(-1, 1)
        x = torch.cat([flat.abs().clamp(min=1e-4).log() / 5, flat.sign()], 1)
        x = torch.tanh(self.linear1(x))
        for i, cell in enumerate(self.lstms):
            self.hx[i], self.cx[i] = cell(x, (self.hx[i], self.cx[i]))
            x = self.hx[i]
        return self.linear2(x).view_as(g)


def unroll(meta, problem, steps, batch):
    theta = torch.zeros(batch, N)
    meta.reset_lstm(batch * N)
    losses = []
    for _ in range(steps):
        theta = theta + 0.3 * meta(problem.grad(theta))
        losses.append(problem.loss(theta).mean())
    return losses


meta_optimizer = MetaOptimizer()
optimizer = torch.optim.Adam(meta_optimizer.parameters(), lr=4e-3)
print("trainable tensors:", len(list(meta_optimizer.parameters())))
for epoch in range(4):
    running = 0.0
    for i in range(60):
        losses = unroll(meta_optimizer, Quadratic(24), 15, 24)
        loss = sum(losses) / len(losses)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(meta_optimizer.parameters(), 1.0)
        optimizer.step()
        running += losses[-1].item()
    gen = torch.random.fork_rng()
    with gen, torch.no_grad():
        torch.manual_seed(1000)
        final = unroll(meta_optimizer, Quadratic(200), 15, 200)[-1].item()
    print("Epoch: {}, final loss {:.3f}, on held-out problems {:.3f}".format(epoch, running / 60, final))
