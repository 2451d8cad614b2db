#= validation_differs
# remembered: Stack Overflow "model has 98 % validation accuracy but predicts wrong on single images": the prediction function does not standardise its input as the training did; a right diagnosis says train and inference preprocessing differ.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
np.random.seed(0)


class WineModel:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
        self.mean = self.std = None

    def fit(self, X, y, epochs=60):
        self.mean, self.std = X.mean(0), X.std(0)
        Xn = torch.tensor((X - self.mean) / self.std, dtype=torch.float32)
        yt = torch.tensor(y)
        opt = torch.optim.Adam(self.net.parameters(), lr=5e-3)
        for epoch in range(epochs):
            self.net.train()
            for b in torch.randperm(len(yt)).split(16):
                loss = nn.functional.cross_entropy(self.net(Xn[b]), yt[b])
                opt.zero_grad()
                loss.backward()
                opt.step()
            if epoch % 10 == 9:
                with torch.no_grad():
                    acc = (self.net(Xn).argmax(1) == yt).float().mean().item()
                print("epoch %d loss %.4f train accuracy %.4f" % (epoch + 1, loss.item(), acc))
        return self

    def predict(self, X):
        self.net.eval()
        X = (X - self.mean) / self.std  #@
        with torch.no_grad():
            return self.net(torch.tensor(X, dtype=torch.float32)).argmax(1).numpy()


X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
clf = WineModel().fit(X_train, y_train)
pred = clf.predict(X_test)
print("test accuracy: %.4f" % (pred == y_test).mean())
print("predicted classes:", np.bincount(pred, minlength=3))
