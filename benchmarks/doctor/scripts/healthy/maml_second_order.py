import torch, torch.nn.functional as F
torch.manual_seed(0)
def init():
    return [torch.nn.Parameter(w) for w in (torch.randn(24, 1) * .7, torch.zeros(24), torch.randn(24, 24) * .2, torch.zeros(24), torch.randn(1, 24) * .2, torch.zeros(1))]
def net(x, w):
    h = F.linear(x, w[0], w[1]).tanh(); h = F.linear(h, w[2], w[3]).tanh()
    return F.linear(h, w[4], w[5])
def task():
    a, b = torch.rand(1) * 2 + .5, torch.rand(1) * 3
    return lambda n: (lambda x: (x, a * torch.sin(x + b)))(torch.rand(n, 1) * 6 - 3)
theta = init(); opt = torch.optim.Adam(theta, 4e-3)
def adapt(w, x, y, k, create):
    for _ in range(k):
        g = torch.autograd.grad(F.mse_loss(net(x, w), y), w, create_graph=create)
        w = [p - .05 * gi for p, gi in zip(w, g)]
    return w
for it in range(220):
    loss = 0
    for _ in range(4):
        f = task(); x, y = f(10); xq, yq = f(10)
        loss = loss + F.mse_loss(net(xq, adapt(theta, x, y, 1, True)), yq) / 4
    opt.zero_grad(); loss.backward(); opt.step()
before = after = 0
for _ in range(40):
    f = task(); x, y = f(10); xq, yq = f(60)
    before += F.mse_loss(net(xq, theta), yq).item() / 40
    after += F.mse_loss(net(xq, adapt(theta, x, y, 5, False)), yq).item() / 40
print('query loss before adaptation %.3f, after 5 steps %.3f' % (before, after))
