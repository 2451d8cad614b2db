#= validation_differs
#: https://github.com/mlpack/examples/pull/213 (also deepchem/deepchem#51) ; the training features are standardised, the test features are given raw; diagnosis: apply the fitted scaler to the test set.
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=42)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)  #@
torch.manual_seed(42)

def to_t(a, kind=torch.float32):
    return torch.tensor(a, dtype=kind)

class Classifier(nn.Module):
    def __init__(self, inp=13, hidden=24, out=3):
        super().__init__()
        self.fc1, self.fc2, self.act = nn.Linear(inp, hidden), nn.Linear(hidden, out), nn.ReLU()
    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))

clf = Classifier()
opt = torch.optim.Adam(clf.parameters(), lr=0.01)
lossf = nn.CrossEntropyLoss()
xt, yt = to_t(X_train), to_t(y_train, torch.long)
for epoch in range(100):
    clf.train()
    opt.zero_grad()
    loss = lossf(clf(xt), yt)
    loss.backward()
    opt.step()
    if (epoch + 1) % 25 == 0:
        print(f'Epoch {epoch+1}/100 loss {loss.item():.4f} train acc {(clf(xt).argmax(1)==yt).float().mean():.3f}')
clf.eval()
with torch.no_grad():
    out = clf(to_t(X_test))
print('Test accuracy: %.3f, test loss %.3f' % ((out.argmax(1) == to_t(y_test, torch.long)).float().mean(), lossf(out, to_t(y_test, torch.long))))
