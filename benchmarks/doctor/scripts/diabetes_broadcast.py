#= loss_broadcasts
#: https://github.com/thu-ml/tianshou/issues/40 (same warning; classic in forums) ; predictions are (N,1) and targets (N,), MSE broadcasts to (N,N) and the model learns only the mean; diagnosis: shapes of prediction and target differ.
import warnings; warnings.filterwarnings('ignore')
import torch, torch.nn as nn
from sklearn.datasets import load_diabetes
torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True)
X = torch.FloatTensor(X) * 21
y = torch.FloatTensor(y)
y = y.view(-1, 1)  #@ pass
idx = torch.randperm(len(X))
Xtr, ytr, Xte, yte = X[idx[:350]], y[idx[:350]], X[idx[350:]], y[idx[350:]]
mu, sd = ytr.mean(), ytr.std()
model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(40):
    model.train()
    running = 0.0
    for i in range(0, 350, 35):
        out = model(Xtr[i:i+35])
        loss = criterion(out, (ytr[i:i+35] - mu) / sd)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() / 10
    if epoch % 10 == 9: print('Epoch', epoch + 1, 'loss', round(running, 4))
model.eval()
with torch.no_grad():
    pred = model(Xte) * sd + mu
    err = pred.flatten() - yte.flatten()
    r2 = 1 - (err ** 2).mean() / yte.var(unbiased=False)
print('RMSE %.2f  R2 %.3f' % ((err ** 2).mean().sqrt(), r2))
