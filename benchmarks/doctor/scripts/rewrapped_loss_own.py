#= loss_detached
#: PyTorch forum classic (no address): the loss is packed in a new tensor with requires_grad=True, so backward runs but no parameter gets a gradient; diagnosis: the graph is cut at the loss.
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
torch.manual_seed(0)
bc = load_breast_cancer()
X = torch.tensor(bc.data, dtype=torch.float32); y = torch.tensor(bc.target, dtype=torch.float32)
r = torch.randperm(len(X)); X, y = X[r], y[r]
X = (X - X[:400].mean(0)) / X[:400].std(0)

def my_loss(prob, target, w_pos=1.0, w_neg=1.5):
    prob = prob.clamp(1e-6, 1 - 1e-6)
    per = -(w_pos * target * prob.log() + w_neg * (1 - target) * (1 - prob).log())
    total = per.mean()
    return total  #@ return torch.tensor(total.item(), requires_grad=True)

model = nn.Sequential(nn.Linear(30, 16), nn.LeakyReLU(), nn.Linear(16, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(20):
    epoch_loss = 0
    for k in range(0, 400, 40):
        optimizer.zero_grad()
        out = model(X[k:k+40]).squeeze(1)
        loss = my_loss(out, y[k:k+40])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    if epoch % 5 == 4: print('epoch', epoch + 1, 'loss', epoch_loss / 10)
with torch.no_grad():
    acc = ((model(X[400:]).squeeze(1) > .5).float() == y[400:]).float().mean().item()
print('accuracy on held out patients:', round(acc, 4))
