#= weight_growth
"""L2 regularisation against overfitting."""
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1, stratify=y)
sc = StandardScaler()
X_train, X_test = sc.fit_transform(X_train), sc.transform(X_test)
X_train, X_test = map(lambda a: torch.from_numpy(a).float(), (X_train, X_test))
y_train, y_test = map(torch.from_numpy, (y_train, y_test))
torch.manual_seed(1)


class MLP(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super(MLP, self).__init__()
        self.l1 = nn.Linear(n_in, n_hidden)
        self.l2 = nn.Linear(n_hidden, n_hidden)
        self.l3 = nn.Linear(n_hidden, n_out)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.l3(self.act(self.l2(self.act(self.l1(x)))))


net = MLP(13, 50, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-4)  #@ opt = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.5)
for epoch in range(150):
    net.train()
    out = net(X_train)
    loss = nn.functional.cross_entropy(out, y_train)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 30 == 29:
        net.eval()
        with torch.no_grad():
            print("Epoch", epoch, "loss", loss.item(), "test acc", (net(X_test).argmax(1) == y_test).float().mean().item())
