#= bounded_output, targets_unscaled
"""Find the box around a bright patch: four numbers of a convolutional network."""
import torch
from torch import nn

SIZE = 32


def make_samples(n, seed):
    g = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(n, 1, SIZE, SIZE, generator=g)
    corners = torch.randint(0, SIZE - 12, (n, 2), generator=g)
    sizes = torch.randint(6, 12, (n, 2), generator=g)
    boxes = torch.cat([corners, corners + sizes], 1).float()
    for image, (x0, y0, x1, y1) in zip(images, boxes.long().tolist()):
        image[0, y0:y1, x0:x1] += 1.5
    return images, boxes / SIZE  #@ return images, boxes


class BoxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        )
        self.box = nn.Sequential(nn.Linear(16 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 4), nn.Sigmoid())

    def forward(self, x):
        return self.box(self.features(x))


torch.manual_seed(0)
train = torch.utils.data.TensorDataset(*make_samples(640, 0))
test_x, test_y = make_samples(128, 1)
model = BoxNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
smooth_l1 = nn.SmoothL1Loss()
for epoch in range(8):
    model.train()
    for images, boxes in torch.utils.data.DataLoader(train, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = smooth_l1(model(images), boxes)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(f"{epoch}: L1 {(model(test_x) - test_y).abs().mean():.4f}")
