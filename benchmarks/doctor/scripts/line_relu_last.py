#= bounded_output
"""y = 2x - 1, the first example of every course, with some more points."""
import numpy as np
import torch
from torch import nn

rng = np.random.RandomState(7)
xs = rng.uniform(-4, 4, size=(200, 1)).astype("float32")
ys = (2 * xs - 1).astype("float32")

torch.manual_seed(7)
model = nn.Sequential(
    nn.Linear(1, 8),
    nn.ReLU(),
    nn.Linear(8, 4),
    nn.ReLU(),
    nn.Linear(4, 1),
    #+ nn.ReLU(),
)
criterion = nn.MSELoss()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
epoch = 0
while epoch < 500:
    pred = model(torch.from_numpy(xs))
    cost = criterion(pred, torch.from_numpy(ys))
    opt.zero_grad()
    cost.backward()
    opt.step()
    epoch += 1
    if epoch % 100 == 0:
        print(f"epoch {epoch}: mse {cost.item():.4f}")
print("f(10) =", model(torch.tensor([[10.0]])).item())
