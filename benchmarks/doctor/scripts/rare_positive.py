#= double_softmax
# https://discuss.pytorch.org/t/145203 "Predictions stuck at zero when positive label is only 16%" (BCEWithLogitsLoss(m(out)) with m = Sigmoid): the sigmoid is applied twice; a right diagnosis says give raw logits to BCEWithLogitsLoss.
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = make_classification(n_samples=3000, n_features=20, n_informative=8, weights=[0.84], class_sep=1.6,
                           flip_y=0.0, random_state=4)
X_tr, X_va, y_tr, y_va = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
sc = StandardScaler().fit(X_tr)
X_tr, X_va = (torch.tensor(sc.transform(a), dtype=torch.float32) for a in (X_tr, X_va))
y_tr, y_va = (torch.tensor(a, dtype=torch.float32) for a in (y_tr, y_va))


class Classifier(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d_in, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU())
        self.last = nn.Linear(24, 1)

    def forward(self, x):
        out = self.last(self.body(x)).squeeze(1)
        return out  #@ return torch.sigmoid(out)


model = Classifier(20)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    model.train()
    tot = 0.
    for i in torch.randperm(len(X_tr)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(X_tr[i]), y_tr[i])
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(i)
    model.eval()
    with torch.no_grad():
        prob = torch.sigmoid(model(X_va))
        pred = (prob > 0.5).float()
    acc = (pred == y_va).float().mean().item()
    print(f"epoch {epoch:2d} loss {tot/len(X_tr):.4f} val acc {acc:.3f} predicted positives {int(pred.sum())} of {len(pred)}")
