#= loss_sign
#: https://github.com/awslabs/gluonts/pull/1784 the implicit quantile loss has outputs and value swapped, (tau - (output < value)) * (output - value), so level tau is fitted to the 1-tau quantile; a right diagnosis says it must be (tau - (value < output)) * (value - output).
"""One-step probabilistic forecaster: GRU state + cosine-embedded quantile level (implicit quantile network)."""
import math
import numpy as np, torch, torch.nn as nn
torch.manual_seed(1); rng = np.random.default_rng(1)
S, T, CTX = 60, 120, 16
sigma = rng.uniform(0.1, 0.8, (S, 1)); t = np.arange(T)
y = np.sin(2 * np.pi * t / 12 + rng.uniform(0, 6, (S, 1))) + sigma * rng.standard_gamma(1.5, (S, T))
y = torch.tensor(y, dtype=torch.float32)
win = y.unfold(1, CTX + 1, 1)
train, test = win[:, :80].reshape(-1, CTX + 1), win[:, 92:].reshape(-1, CTX + 1)

class IQN(nn.Module):
    def __init__(self, h=32, n_cos=16):
        super().__init__()
        self.rnn = nn.GRU(1, h, batch_first=True)
        self.register_buffer("k", torch.arange(n_cos) * math.pi)
        self.emb = nn.Sequential(nn.Linear(n_cos, h), nn.PReLU())
        self.out = nn.Sequential(nn.Linear(h, h), nn.Softplus(), nn.Linear(h, 1))
    def forward(self, ctx, tau):
        z = self.rnn(ctx.unsqueeze(-1))[1][0]
        e = self.emb(torch.cos(tau.unsqueeze(-1) * self.k))
        return self.out(z.unsqueeze(1) * (1.0 + e)).squeeze(-1)

def quantile_loss(output, value, tau):
    value = value.unsqueeze(1).expand_as(output)
    return ((tau - (value < output).float()) * (value - output)).mean()  #@ return ((tau - (output < value).float()) * (output - value)).mean()

net = IQN(); opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for it in range(350):
    b = train[torch.randint(len(train), (96,))]
    tau = torch.rand(96, 8)
    loss = quantile_loss(net(b[:, :-1], tau), b[:, -1], tau)
    opt.zero_grad(); loss.backward(); opt.step()
    if it % 100 == 0: print(it, round(loss.item(), 4))
net.eval()
levels = torch.tensor([0.1, 0.5, 0.9])
with torch.no_grad():
    q = net(test[:, :-1], levels.expand(len(test), 3)); v = test[:, -1:]
    cover = (v <= q).float().mean(0)
    crps = torch.maximum(levels * (v - q), (levels - 1) * (v - q)).mean()
print("P(y <= q):", [round(c, 3) for c in cover.tolist()], "for levels", [0.1, 0.5, 0.9])
print(f"calibration error {(cover - levels).abs().mean():.3f} pinball {crps:.4f}")
