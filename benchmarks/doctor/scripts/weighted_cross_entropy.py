#= class_imbalance
# https://discuss.pytorch.org/t/145203 (weight = torch.tensor([0.84, 0.16]) where 84 % are class 0): the frequent class gets the large weight, so the model predicts only 0; a right diagnosis says the weights are the wrong way round.
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import TensorDataset, DataLoader
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import balanced_accuracy_score, recall_score

SEED = 42
np.random.seed(SEED)
torch.manual_seed(SEED)

X, y = make_classification(n_samples=4000, n_features=15, n_informative=5, n_redundant=2, n_clusters_per_class=1,
                           weights=[0.84], class_sep=0.55, flip_y=0.0, random_state=SEED)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=SEED, stratify=y)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_val = scaler.transform(X_val)
print("share of positives", y_train.mean())

train_dl = DataLoader(TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train)), batch_size=64, shuffle=True)
val_x = torch.tensor(X_val).float()

net = nn.Sequential(nn.Linear(15, 16), nn.ReLU(), nn.Linear(16, 2))
weight = torch.tensor([0.16, 0.84])  #@ weight = torch.tensor([0.84, 0.16])
criterion = nn.CrossEntropyLoss(weight=weight)
optim = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)

for epoch in range(15):
    net.train()
    running = []
    for xb, yb in train_dl:
        optim.zero_grad()
        loss = criterion(net(xb), yb)
        loss.backward()
        optim.step()
        running.append(loss.item())
    net.eval()
    with torch.no_grad():
        preds = net(val_x).argmax(dim=1).numpy()
    print("epoch %d loss %.4f  balanced acc %.3f  recall of positives %.3f" % (
        epoch, np.mean(running), balanced_accuracy_score(y_val, preds), recall_score(y_val, preds)))
