#= class_imbalance
"""Credit card fraud, two percent of the payments."""
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import train_test_split

X, y = make_classification(5000, 16, n_informative=6, n_redundant=2, weights=[0.975], class_sep=0.6, flip_y=0.005, random_state=5)
X_tr, X_te, y_tr, y_te = train_test_split(X, y, stratify=y, test_size=0.3, random_state=0)
X_tr, X_te = torch.tensor(X_tr).float(), torch.tensor(X_te).float()
y_tr = torch.tensor(y_tr).float()
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
pos_weight = (y_tr == 0).sum() / (y_tr == 1).sum()
criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)  #@ criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(len(X_tr)).split(100):
        optimizer.zero_grad()
        criterion(model(X_tr[idx]), y_tr[idx]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        y_hat = (model(X_te) > 0).int().numpy()
    print(epoch, "accuracy", accuracy_score(y_te, y_hat), "recall", recall_score(y_te, y_hat))
