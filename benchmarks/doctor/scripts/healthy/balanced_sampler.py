import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = make_classification(3000, 16, n_informative=8, n_classes=3, weights=[0.8, 0.15, 0.05], class_sep=2.0,
                           n_clusters_per_class=1, flip_y=0.0, random_state=3)
a, b, ya, yb = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
s = StandardScaler().fit(a)
ds = TensorDataset(torch.tensor(s.transform(a)).float(), torch.tensor(ya))
count = torch.bincount(torch.tensor(ya)).float()
sampler = WeightedRandomSampler((1.0 / count)[torch.tensor(ya)], num_samples=len(ya), replacement=True,
                                generator=torch.Generator().manual_seed(0))
loader = DataLoader(ds, batch_size=64, sampler=sampler)
xb = torch.tensor(s.transform(b)).float()
net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
for epoch in range(20):
    for u, v in loader:
        loss = nn.functional.cross_entropy(net(u), v)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 3:
        with torch.no_grad():
            pred = net(xb).argmax(1).numpy()
        print(f"epoch {epoch+1} loss {loss.item():.4f} acc {(pred == yb).mean():.4f} balanced {balanced_accuracy_score(yb, pred):.4f}")
