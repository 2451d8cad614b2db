#= validation_differs
#: test data are scaled by their own statistics (fit_transform on the test part) instead of the training ones
"""Energy consumption of buildings, train on the first ones, test on the rest."""
import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import r2_score, mean_absolute_error

np.random.seed(11)
torch.manual_seed(11)

n = 900
area = np.random.gamma(4, 60, n)
year = np.random.uniform(1930, 2020, n)
rooms = np.round(area / 35 + np.random.randn(n))
insul = np.clip((year - 1930) / 90 + 0.2 * np.random.randn(n), 0, 1)
kwh = 40 + 0.9 * area * (1.6 - insul) + 8 * rooms + 12 * np.random.randn(n)
frame = np.column_stack([area, year, rooms, insul])

# file comes sorted by floor area, big buildings are the "new" ones to be predicted
order = np.argsort(area + 80 * np.random.randn(n))
frame, kwh = frame[order], kwh[order]
cut = int(0.75 * n)

sc_x, sc_y = StandardScaler(), StandardScaler()
X_train = sc_x.fit_transform(frame[:cut])
X_test = sc_x.transform(frame[cut:])  #@ X_test = sc_x.fit_transform(frame[cut:])
y_train = sc_y.fit_transform(kwh[:cut, None])
y_test = kwh[cut:]

X_train = torch.tensor(X_train, dtype=torch.float32)
X_test = torch.tensor(X_test, dtype=torch.float32)
y_train = torch.tensor(y_train, dtype=torch.float32)

model = torch.nn.Sequential(
    torch.nn.Linear(4, 32),
    torch.nn.Softplus(),
    torch.nn.Linear(32, 1),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-4)
loss_fn = torch.nn.MSELoss()
dataset = torch.utils.data.TensorDataset(X_train, y_train)
loader = torch.utils.data.DataLoader(dataset, batch_size=45, shuffle=True)

history = []
for epoch in range(40):
    for xb, yb in loader:
        y_hat = model(xb)
        loss = loss_fn(y_hat, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    history.append(loss_fn(model(X_train), y_train).item())
print("train loss first/last:", history[0], history[-1])

model.eval()
with torch.no_grad():
    pred = sc_y.inverse_transform(model(X_test).numpy())[:, 0]
print("R2 on new buildings  %.3f" % r2_score(y_test, pred))
print("MAE on new buildings %.1f kWh" % mean_absolute_error(y_test, pred))
