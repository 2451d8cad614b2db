#= target_shift
"""Housing-like table: the price is cut off as the target."""
import numpy as np
import torch
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split
from torch import nn

table, price = make_regression(900, 12, n_informative=8, noise=40.0, random_state=4)
table = np.column_stack([table, price / price.std()])
columns = [f"c{i}" for i in range(12)] + ["price"]
target = table[:, columns.index("price")]
inputs = table[:, : columns.index("price")]  #@ inputs = table
X_train, X_val, y_train, y_val = train_test_split(inputs, target, random_state=4)
X_train, X_val = torch.tensor(X_train).float(), torch.tensor(X_val).float()
y_train, y_val = torch.tensor(y_train).float()[:, None], torch.tensor(y_val).float()[:, None]

torch.manual_seed(4)
model = nn.Sequential(nn.Linear(X_train.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X_train, y_train), batch_size=32, shuffle=True)
for epoch in range(25):
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(a), b)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(X_val), y_val)
    if epoch % 5 == 4:
        print(f"{epoch}: train {loss.item():.4f} val {val.item():.4f} r2 {1 - val.item() / y_val.var().item():.4f}")
