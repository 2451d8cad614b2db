import torch, torch.nn as nn
torch.manual_seed(2)
n = 900; x = torch.randn(n, 6); eta = x[:, 0] - 1.2 * x[:, 1] + .8 * x[:, 2].abs()
t = torch.empty(n).exponential_() / eta.exp(); c = torch.empty(n).exponential_(.3); e = (t <= c); t = torch.minimum(t, c)
net = nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 1, bias=False))
opt = torch.optim.AdamW(net.parameters(), 5e-3)
for ep in range(30):
    for i in torch.randperm(700).split(140):
        h = net(x[i]).squeeze(1); risk = t[i][None] >= t[i][:, None]
        ll = h - torch.where(risk, h[None].expand_as(risk), torch.tensor(-torch.inf)).logsumexp(1)
        loss = -ll[e[i]].mean()
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): h = net(x[700:]).squeeze(1)
a, b = t[700:], e[700:]; ok = (a[:, None] < a[None]) & b[:, None]
print('concordance %.3f' % (((h[:, None] > h[None]) & ok).sum() / ok.sum()).item())
