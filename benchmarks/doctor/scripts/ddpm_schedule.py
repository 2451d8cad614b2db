#= formula_wrong
#: https://github.com/IDEALLab/EngiOpt/pull/67 - few timesteps with the betas made for 1000 leave sqrt(alpha_bar_T) far above 0, so sampling starts from a distribution never seen in training; right: more steps or larger betas.
import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(0)


class GaussianDiffusion(nn.Module):
    def __init__(self, model, timesteps, beta_start=1e-4, beta_end=.02):
        super().__init__()
        self.model, self.T = model, timesteps
        scale = 1000 / timesteps  #@ scale = 1.
        betas = torch.linspace(scale * beta_start, scale * beta_end, timesteps)
        self.register_buffer('betas', betas)
        self.register_buffer('acp', torch.cumprod(1 - betas, 0))

    def q_sample(self, x, t, noise):
        a = self.acp[t][:, None]
        return a.sqrt() * x + (1 - a).sqrt() * noise

    def forward(self, x):
        t = torch.randint(0, self.T, (len(x),))
        noise = torch.randn_like(x)
        return (self.model(self.q_sample(x, t, noise), t / self.T) - noise).pow(2).mean()

    @torch.no_grad()
    def sample(self, n, d):
        x = torch.randn(n, d)
        for t in range(self.T - 1, -1, -1):
            eps = self.model(x, torch.full((n,), t / self.T))
            b, a = self.betas[t], self.acp[t]
            x = (x - b / (1 - a).sqrt() * eps) / (1 - b).sqrt()
            if t: x = x + b.sqrt() * torch.randn_like(x)
        return x


class Net(nn.Module):
    def __init__(self, d, w=192):
        super().__init__()
        self.freq = nn.Parameter(torch.randn(16) * 4, requires_grad=False)
        self.a, self.t = nn.Linear(d, w), nn.Sequential(nn.Linear(32, w), nn.SiLU(), nn.Linear(w, w))
        self.b = nn.ModuleList([nn.Sequential(nn.SiLU(), nn.Linear(w, w), nn.SiLU(), nn.Linear(w, w)) for _ in range(2)])
        self.o = nn.Linear(w, d)

    def forward(self, x, t):
        p = t[:, None] * self.freq
        e, h = self.t(torch.cat([p.sin(), p.cos()], 1)), self.a(x)
        for f in self.b: h = h + f(h + e)
        return self.o(h)


X, y = load_digits(return_X_y=True)
# small, bright part of the data: the sevens and the ones, so the mean picture is far from zero
X = torch.tensor(X[(y == 7) | (y == 1)], dtype=torch.float32) / 8 - 1
diff = GaussianDiffusion(Net(64), 60)
opt = torch.optim.Adam(diff.parameters(), lr=1.5e-3)
for step in range(900):
    loss = diff(X[torch.randint(0, len(X), (64,))])
    opt.zero_grad(); loss.backward(); opt.step()
    if step % 300 == 0: print(step, round(loss.item(), 4))
s = diff.sample(300, 64)
print(f'mean picture error {(s.mean(0) - X.mean(0)).abs().mean():.3f}; nearest-digit distance of samples {torch.cdist(s, X).min(1).values.mean():.3f}')
