#= poor_init
"""Two moons with my own initialisation."""
import torch
from sklearn.datasets import make_moons
from torch import nn

X, y = make_moons(600, noise=0.15, random_state=0)
X = torch.tensor(X, dtype=torch.float)
y = torch.tensor(y, dtype=torch.float)
X_train, y_train, X_val, y_val = X[:450], y[:450], X[450:], y[450:]


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)  #@ nn.init.constant_(m.weight, 0.)
        nn.init.constant_(m.bias, 0.)


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
model.apply(init_weights)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(60):
    permutation = torch.randperm(450)
    for i in range(0, 450, 45):
        indices = permutation[i:i + 45]
        optimizer.zero_grad()
        outputs = model(X_train[indices]).squeeze()
        loss = criterion(outputs, y_train[indices])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            val = ((model(X_val).squeeze() > 0) == (y_val > 0.5)).float().mean().item()
        print(f'Epoch {epoch + 1:>3} | loss {loss.item():.4f} | val acc {val:.3f}')
