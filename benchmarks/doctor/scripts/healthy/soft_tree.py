# soft (neural) decision tree on breast cancer, path-balance penalty with an exponential running mean per depth
import torch, torch.nn as nn, numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import roc_auc_score
torch.manual_seed(1)
X, y = load_breast_cancer(return_X_y=True)
Xa, Xb, ya, yb = train_test_split(X, y, test_size=.3, stratify=y, random_state=3)
sc = StandardScaler().fit(Xa); Xa, Xb = (torch.tensor(sc.transform(v), dtype=torch.float32) for v in (Xa, Xb)); ya, yb = torch.tensor(ya), torch.tensor(yb)
class SDT(nn.Module):
    def __init__(self, d, k, depth=3, lamda=1e-2):
        super().__init__()
        self.depth, self.lamda, self.inner, self.leaf = depth, lamda, 2 ** depth - 1, 2 ** depth
        self.gate = nn.Linear(d, self.inner); self.leaves = nn.Parameter(torch.randn(self.leaf, k) * .5)
    def forward(self, x):
        p = torch.sigmoid(self.gate(x)); mu = x.new_ones(len(x), 1); pen = 0.; at = 0
        for l in range(self.depth):
            g = p[:, at:at + 2 ** l]; at += 2 ** l
            alpha = (mu.detach() * g).sum(0) / mu.detach().sum(0).clamp(min=1e-6)
            a = alpha.clamp(1e-4, 1 - 1e-4)
            pen = pen - self.lamda * 2.0 ** -l * 0.5 * (a.log() + (1 - a).log()).sum()
            mu = torch.stack([mu * g, mu * (1 - g)], 2).flatten(1)
        return mu @ self.leaves.softmax(1), pen
tree = SDT(30, 2); opt = torch.optim.Adam(tree.parameters(), lr=0.02, weight_decay=5e-4)
for ep in range(40):
    for b in torch.randperm(len(Xa)).split(64):
        prob, pen = tree(Xa[b])
        loss = nn.functional.nll_loss((prob + 1e-8).log(), ya[b]) + pen
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): pr, _ = tree(Xb)
print(f"accuracy {(pr.argmax(1) == yb).float().mean():.3f} AUC {roc_auc_score(yb, pr[:, 1]):.3f}")
