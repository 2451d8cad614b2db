#= wrong_loss_family
"""My first network in torch, coming from Keras (stackoverflow)."""
import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.preprocessing import LabelBinarizer, MinMaxScaler

torch.manual_seed(7)
X, y = load_iris(return_X_y=True)
X = torch.tensor(MinMaxScaler().fit_transform(X), dtype=torch.float32)
Y = torch.tensor(LabelBinarizer().fit_transform(y), dtype=torch.float32)
perm = torch.randperm(150)
X, Y = X[perm], Y[perm]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        x = torch.sigmoid(self.fc1(x))
        x = self.fc2(x)  #@ x = torch.sigmoid(self.fc2(x))
        return x


model = Model()
criterion = nn.CrossEntropyLoss()  #@ criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for epoch in range(100):
    for i in range(0, 120, 20):
        out = model(X[i:i + 20])
        loss = criterion(out, Y[i:i + 20])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        acc = (model(X[120:]).argmax(1) == Y[120:].argmax(1)).float().mean()
        print("epoch", epoch, "loss", loss.item(), "acc", acc.item())
