import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, alpha=0.75):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, z, t):
        ce = nn.functional.binary_cross_entropy_with_logits(z, t, reduction="none")
        pt = torch.exp(-ce)
        w = self.alpha * t + (1 - self.alpha) * (1 - t)
        return (w * (1 - pt) ** self.gamma * ce).mean()


torch.manual_seed(0)
X, y = make_classification(4000, 20, n_informative=8, weights=[0.95], class_sep=2.0, flip_y=0.0, random_state=1)
a, b, ya, yb = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
s = StandardScaler().fit(a)
a, b = torch.tensor(s.transform(a)).float(), torch.tensor(s.transform(b)).float()
ta = torch.tensor(ya).float()
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
nn.init.constant_(net[-1].bias, -2.0)  # prior of the rare class
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
loss_fn = FocalLoss()
for epoch in range(25):
    tot = 0
    for i in torch.randperm(len(a)).split(64):
        loss = loss_fn(net(a[i]).squeeze(1), ta[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(i)
    if epoch % 5 == 4:
        with torch.no_grad():
            z = net(b).squeeze(1)
        print(f"epoch {epoch+1} focal {tot/len(a):.5f} AP {average_precision_score(yb, z.numpy()):.4f} recall {((z > 0).numpy() & (yb == 1)).sum()/yb.sum():.3f}")
