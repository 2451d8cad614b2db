#= log_of_probabilities
# https://github.com/locuslab/e2e-model-learning/issues/11 - NLLLoss gets softmax probabilities instead of log-probabilities, it minimises -p and not -log p, so the fitted distribution is not calibrated; right: log the probabilities.
import torch, torch.nn as nn, numpy as np
torch.manual_seed(2); np.random.seed(2)

# demand of a shop given weather features; the newsvendor orders by the predicted distribution
W = torch.randn(6, 5)
def sales(n):
    x = torch.randn(n, 6)
    p = (x @ W * .6).softmax(-1)
    return x, torch.multinomial(p, 1).squeeze(1), p

class MLENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 5), nn.Softmax(dim=1))
    def forward(self, x): return self.net(x)

model = MLENet()
criterion = nn.NLLLoss()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
X, D, _ = sales(1500)
for epoch in range(15):
    for i in torch.randperm(1500).split(60):
        probs = model(X[i])
        loss = criterion(torch.log(probs + 1e-8), D[i])  #@ loss = criterion(probs, D[i])
        opt.zero_grad(); loss.backward(); opt.step()

Xt, Dt, Pt = sales(1000)
with torch.no_grad(): q = model(Xt)
under, over = 5., 1.
lev = torch.arange(5)
cost = under * (lev[None] - lev[:, None]).clamp(min=0) + over * (lev[:, None] - lev[None]).clamp(min=0)     # order x demand
order, best = (q @ cost.T.float()).argmin(1), (Pt @ cost.T.float()).argmin(1)
print('cost %.3f (best possible %.3f)' % (cost[order, Dt].mean(), cost[best, Dt].mean()), ' held-out NLL %.3f' % -q[torch.arange(1000), Dt].clamp(min=1e-8).log().mean())
