#= validation_differs
"""Wine cultivars: standardized columns, a small network. The test bottles come from a later, drier harvest."""
import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.35, random_state=0, stratify=y)
keep = np.concatenate([np.flatnonzero(y_test == 0)[:4], np.flatnonzero(y_test == 1)[:5], np.flatnonzero(y_test == 2)])
X_test, y_test = X_test[keep], y_test[keep]
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)  #@ X_test = scaler.fit_transform(X_test)

X_train, X_test = torch.from_numpy(X_train).float(), torch.from_numpy(X_test).float()
y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)
torch.manual_seed(2)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(13, 32)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(self.drop(torch.relu(self.fc1(x))))


model = Net()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
n_epochs, batch_size = 60, 20
for epoch in range(n_epochs):
    model.train()
    for i in torch.randperm(len(X_train)).split(batch_size):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[i]), y_train[i])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(X_test)
        acc = (out.argmax(1) == y_test).float().mean().item()
    if (epoch + 1) % 15 == 0:
        print(f"Epoch {epoch+1}/{n_epochs}, loss {loss.item():.4f}, test loss {loss_fn(out, y_test).item():.4f}, test accuracy {acc:.3f}")
