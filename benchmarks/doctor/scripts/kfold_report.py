#= leak_across_splits
# remembered: Stack Overflow "k-fold cross validation accuracy rises from fold to fold" (Keras/PyTorch): one model is used for all folds, so later validation folds were already trained on; a right diagnosis says build a new model for every fold.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

np.random.seed(7)
torch.manual_seed(7)
X, y = make_classification(n_samples=600, n_features=20, n_informative=6, class_sep=1.7, flip_y=0.06, random_state=7)


def create_model():
    net = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
    return net, torch.optim.Adam(net.parameters(), lr=1e-3)


#+ model, optimizer = create_model()
kfold = StratifiedKFold(n_splits=5, shuffle=True, random_state=7)
cvscores = []
for fold, (train, test) in enumerate(kfold.split(X, y)):
    scaler = StandardScaler().fit(X[train])
    Xt = torch.tensor(scaler.transform(X[train]), dtype=torch.float32)
    Xv = torch.tensor(scaler.transform(X[test]), dtype=torch.float32)
    yt, yv = torch.tensor(y[train]), torch.tensor(y[test])
    model, optimizer = create_model()  #@
    for epoch in range(30):
        for b in torch.randperm(len(yt)).split(20):
            loss = nn.functional.cross_entropy(model(Xt[b]), yt[b])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        acc = (model(Xv).argmax(1) == yv).float().mean().item()
    print("fold %d train loss %.4f acc: %.2f%%" % (fold + 1, loss.item(), acc * 100))
    cvscores.append(acc * 100)
print("%.2f%% (+/- %.2f%%)" % (np.mean(cvscores), np.std(cvscores)))
