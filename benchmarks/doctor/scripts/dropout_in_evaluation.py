#= evaluation_not_deterministic
"""House prices per district (made up) with a residual tabular network that uses the functional interface."""
import torch
import torch.nn.functional as F
from torch import nn, optim
from torchmetrics.functional import r2_score

torch.manual_seed(13)
X = torch.randn(2500, 9)
price = 2 * X[:, 0] + X[:, 1] * X[:, 2] + torch.relu(X[:, 3]) - 0.5 * X[:, 4] ** 2
price = ((price - price.mean()) / price.std() + 0.1 * torch.randn(2500)).unsqueeze(1)
X_tr, X_va, y_tr, y_va = X[:2000], X[2000:], price[:2000], price[2000:]


class ResBlock(nn.Module):
    def __init__(self, d, p):
        super().__init__()
        self.lin1, self.lin2, self.p = nn.Linear(d, d), nn.Linear(d, d), p

    def forward(self, x):
        h = F.relu(self.lin1(x))
        h = F.dropout(h, p=self.p, training=self.training)  #@ h = F.dropout(h, p=self.p)
        return x + self.lin2(h)


class TabNet(nn.Module):
    def __init__(self, d=64, p=0.3):
        super().__init__()
        self.stem = nn.Linear(9, d)
        self.blocks = nn.ModuleList([ResBlock(d, p), ResBlock(d, p)])
        self.head = nn.Linear(d, 1)

    def forward(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        return self.head(F.relu(x))


net = TabNet()
opt = optim.AdamW(net.parameters(), lr=2e-3)
sched = optim.lr_scheduler.CosineAnnealingLR(opt, 20)
for epoch in range(20):
    net.train()
    for i in torch.randperm(2000).split(100):
        opt.zero_grad()
        loss = F.mse_loss(net(X_tr[i]), y_tr[i])
        loss.backward()
        opt.step()
    sched.step()
    net.eval()
    with torch.no_grad():
        pred = net(X_va)
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} train {loss.item():.4f} val mse {F.mse_loss(pred, y_va):.4f} r2 {r2_score(pred, y_va):.3f}")
