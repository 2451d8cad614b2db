#= evaluation_wrong
# remembered: Stack Overflow "Keras regression: loss decreases but accuracy stays 0" (metrics=['accuracy']): equality of real numbers is counted as accuracy; the model is fine, the metric is meaningless; a right diagnosis says use MAE or R2.
import torch
import torch.nn as nn
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, price = make_regression(n_samples=1500, n_features=12, n_informative=8, noise=8.0, bias=250.0, random_state=1)
X_train, X_test, y_train, y_test = train_test_split(X, price, test_size=0.2, random_state=1)
xs, ys = StandardScaler().fit(X_train), StandardScaler().fit(y_train.reshape(-1, 1))
X_train, X_test = torch.tensor(xs.transform(X_train)).float(), torch.tensor(xs.transform(X_test)).float()
y_train = torch.tensor(ys.transform(y_train.reshape(-1, 1))).float()
y_test = torch.tensor(ys.transform(y_test.reshape(-1, 1))).float()

model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(40):
    model.train()
    epoch_loss = 0.0
    for idx in torch.randperm(len(X_train)).split(32):
        optimizer.zero_grad()
        out = model(X_train[idx])
        loss = criterion(out, y_train[idx])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        pred = model(X_test)
        val_loss = criterion(pred, y_test).item()
        score = (1 - ((pred - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()).item()  #@ score = (pred == y_test).float().mean().item()
    if epoch % 5 == 4:
        print("Epoch %d - loss: %.4f - val_loss: %.4f - val_score: %.4f" % (epoch + 1, epoch_loss / len(X_train), val_loss, score))
