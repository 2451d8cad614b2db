#= axes_scrambled
"""Which lamp is on, red, green or blue? Colour photos as the camera gives them: height, width, channels."""
import numpy as np
import torch
from torch import nn

rng = np.random.RandomState(0)


def draw(kind):
    img = rng.rand(16, 16, 3) * 0.4
    for lamp in (True, False):  # the lamp, and something grey of the same size
        r, c = rng.randint(0, 12, 2)
        colour = 0.3 * rng.rand(3) if lamp else np.full(3, 0.3 + 0.5 * rng.rand())
        if lamp:
            colour[kind] += 0.8
        img[r:r + 4, c:c + 4] = 0.3 * img[r:r + 4, c:c + 4] + colour
    return img


kinds = rng.randint(0, 3, 700)
photos = np.stack([draw(k) for k in kinds]).astype(np.float32)
x = torch.from_numpy(photos).permute(0, 3, 1, 2)  #@ x = torch.from_numpy(photos).view(-1, 3, 16, 16)
y = torch.from_numpy(kinds)
x_train, y_train, x_valid, y_valid = x[:500], y[:500], x[500:], y[500:]

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
    nn.Linear(32, 3),
)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(9):
    for rows in torch.randperm(500).split(32):
        pred = model(x_train[rows])
        loss = nn.functional.cross_entropy(pred, y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        print(epoch, f'{loss.item():.3f}', 'valid', (model(x_valid).argmax(1) == y_valid).float().mean().item())
