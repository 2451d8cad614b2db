#= load_without_effect
# https://github.com/pytorch/tutorials/pull/188 - best weights are kept as a reference to state_dict and follow the training; the "best" model is the last one. Right: copy.deepcopy(model.state_dict()).
import copy
import numpy as np
import torch
from torch import nn, optim
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0); np.random.seed(0)
X, y = load_breast_cancer(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=.5, random_state=0, stratify=y)
Xtr, Xva, ytr, yva = train_test_split(Xtr, ytr, test_size=.4, random_state=0, stratify=ytr)
sc = StandardScaler().fit(Xtr)
flip = np.random.rand(len(ytr)) < .25
ytr = np.where(flip, 1 - ytr, ytr)
T = lambda a, dt=torch.float32: torch.tensor(a, dtype=dt)
data = {'train': (T(sc.transform(Xtr)), T(ytr, torch.long)), 'val': (T(sc.transform(Xva)), T(yva, torch.long)), 'test': (T(sc.transform(Xte)), T(yte, torch.long))}


def train_model(model, criterion, optimizer, num_epochs=60):
    best_model_wts = copy.deepcopy(model.state_dict())
    best_loss = 1e9
    for epoch in range(num_epochs):
        for phase in ['train', 'val']:
            x, t = data[phase]
            model.train(phase == 'train')
            if phase == 'train':
                for i in torch.randperm(len(x)).split(34):
                    optimizer.zero_grad()
                    loss = criterion(model(x[i]), t[i])
                    loss.backward(); optimizer.step()
            else:
                with torch.no_grad():
                    loss = criterion(model(x), t)
                if loss < best_loss:
                    best_loss = loss.item()
                    best_model_wts = copy.deepcopy(model.state_dict())  #@ best_model_wts = model.state_dict()
                    at = epoch
    print(f'Best val loss: {best_loss:.4f} at epoch {at}')
    model.load_state_dict(best_model_wts)
    return model


net = nn.Sequential(nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
net = train_model(net, nn.CrossEntropyLoss(), optim.Adam(net.parameters(), lr=2e-3))
net.eval()
x, t = data['test']
with torch.no_grad():
    o = net(x)
print(f'test acc {(o.argmax(1) == t).float().mean():.3f}, test loss {nn.functional.cross_entropy(o, t):.3f}')
