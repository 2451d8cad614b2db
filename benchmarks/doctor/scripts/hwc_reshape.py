#= axes_scrambled
#: images in (N,H,W,C) are brought to (N,C,H,W) with reshape instead of transpose, pixels of the channels are scrambled
"""Traffic sign colours and shapes from numpy arrays (as read by OpenCV), small CNN."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

np.random.seed(66)
torch.manual_seed(66)
IMG_SIZE = 18


def draw_sign(kind):
    img = np.random.randint(60, 180, size=(1, 1, 3)) * np.ones((IMG_SIZE, IMG_SIZE, 3))
    img += np.random.randn(IMG_SIZE, IMG_SIZE, 3) * 25
    yy, xx = np.mgrid[:IMG_SIZE, :IMG_SIZE]
    cy, cx = np.random.randint(6, 12, 2)
    shape, colour = kind // 2, kind % 2
    if shape == 0:
        m = (yy - cy) ** 2 + (xx - cx) ** 2 <= 20
    elif shape == 1:
        m = (np.abs(yy - cy) <= 4) & (np.abs(xx - cx) <= 4 - (yy - cy + 4) / 2)
    else:
        m = (np.abs(yy - cy) + np.abs(xx - cx)) <= 5
        m &= ~((np.abs(yy - cy) <= 1) & (np.abs(xx - cx) <= 1))
    img[m] = np.array([200, 40, 40] if colour == 0 else [40, 60, 200]) + np.random.randn(int(m.sum()), 3) * 30
    return np.clip(img, 0, 255).astype(np.uint8)


def load(n):
    labels = np.random.randint(0, 6, n)
    imgs = np.stack([draw_sign(k) for k in labels])
    imgs = imgs.astype(np.float32) / 255.0 - 0.5
    imgs = np.ascontiguousarray(imgs.transpose(0, 3, 1, 2))  #@ imgs = imgs.reshape(-1, 3, IMG_SIZE, IMG_SIZE)
    return torch.tensor(imgs), torch.tensor(labels)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3)
        self.conv2 = nn.Conv2d(12, 24, 3)
        self.fc1 = nn.Linear(24 * 3 * 3, 48)
        self.fc2 = nn.Linear(48, 6)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        return self.fc2(F.relu(self.fc1(x)))

    def num_flat_features(self, x):
        n = 1
        for s in x.size()[1:]:
            n *= s
        return n


train_X, train_y = load(2400)
test_X, test_y = load(300)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.002)
BATCH_SIZE, EPOCHS = 40, 10

for epoch in range(EPOCHS):
    for i in np.random.permutation(range(0, len(train_X), BATCH_SIZE)):
        batch_X = train_X[i:i + BATCH_SIZE]
        batch_y = train_y[i:i + BATCH_SIZE]
        net.zero_grad()
        outputs = net(batch_X)
        loss = F.cross_entropy(outputs, batch_y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (net(test_X).argmax(1) == test_y).float().mean()
    print(f"Epoch: {epoch}. Loss: {loss.item():.4f}. Test accuracy: {acc.item():.3f}")
