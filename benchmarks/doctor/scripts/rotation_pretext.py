#= targets_shuffled
# own (rotation-prediction pretext re-implementations) images are concatenated rotation by rotation but labels are tiled per sample; right diagnosis: inputs and labels misaligned (repeat versus repeat_interleave).
import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
imgs = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16
train, test = imgs[:1300], imgs[1300:]


def rotate_batch(x):
    views = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
    labels = torch.arange(4).repeat_interleave(len(x))  #@ labels = torch.arange(4).repeat(len(x))
    return views, labels


class RotNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU())
        self.rot = nn.Linear(64, 4)

    def forward(self, x):
        return self.rot(self.trunk(x))


net = RotNet()
opt = torch.optim.NAdam(net.parameters(), lr=2e-3)
for epoch in range(15):
    for b in torch.randperm(len(train)).split(50):
        v, l = rotate_batch(train[b])
        loss = nn.functional.cross_entropy(net(v), l)
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    acc = sum((net(torch.rot90(test, k, (2, 3))).argmax(1) == k).float().mean().item() for k in range(4)) / 4
print(f"rotation accuracy {acc:.3f}")
