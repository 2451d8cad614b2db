#= gradients_not_cleared
"""Forest types from measurements."""
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(10)
X, y = make_classification(2400, 20, n_informative=10, n_classes=4, class_sep=1.2, random_state=10)
train_ds = TensorDataset(torch.tensor(X[:2000]).float(), torch.tensor(y[:2000]))
valid_ds = TensorDataset(torch.tensor(X[2000:]).float(), torch.tensor(y[2000:]))


class ForestNet(nn.Module):
    def __init__(self, D_in, H=32, D_out=4):
        super(ForestNet, self).__init__()
        self.fc1 = nn.Linear(D_in, H)
        self.fc2 = nn.Linear(H, H)
        self.fc3 = nn.Linear(H, D_out)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x).squeeze()


net = ForestNet(20)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
all_train_loss, all_val_loss = [], []
for epoch in range(12):
    #+ optimizer.zero_grad()
    total = 0
    for _, (batch_x, batch_y) in enumerate(DataLoader(train_ds, batch_size=50, shuffle=True)):
        optimizer.zero_grad()  #@
        loss = criterion(net(batch_x), batch_y)
        loss.backward()
        total += loss.item()
        optimizer.step()
    with torch.no_grad():
        total_val = sum(criterion(net(vx), vy).item() for vx, vy in DataLoader(valid_ds, batch_size=200)) / 2
    all_train_loss.append(total / 40)
    all_val_loss.append(total_val)
    print("Epoch:", epoch + 1, "TRAIN LOSS", all_train_loss[-1], "VAL LOSS", all_val_loss[-1])
