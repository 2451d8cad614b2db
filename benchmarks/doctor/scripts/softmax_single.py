#= output_ignores_input, wrong_loss_family
"""Binary classifier whose last layer is a softmax."""
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

X, y = load_breast_cancer(return_X_y=True)
torch.manual_seed(1)
perm = torch.randperm(len(X))
X = torch.tensor(scale(X), dtype=torch.float32)[perm]
y = torch.tensor(y, dtype=torch.float32)[perm].reshape(-1, 1)
model = nn.Sequential(
    nn.Linear(30, 32),
    nn.ReLU(),
    nn.Linear(32, 16),
    nn.ReLU(),
    nn.Linear(16, 1),
    nn.Sigmoid(),  #@ nn.Softmax(dim=1),
)
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
n_epochs, batch_size = 10, 16
for epoch in range(n_epochs):
    for i in range(0, 448, batch_size):
        y_pred = model(X[i:i + batch_size])
        loss = loss_fn(y_pred, y[i:i + batch_size])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(X[450:]).round() == y[450:]).float().mean()
    print(f"Finished epoch {epoch}, latest loss {loss.item():.4f} accuracy {accuracy:.3f}")
