"""Linear probing: backbone trained on a pretext task, frozen and kept in eval mode, new head only."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(9)
d = load_digits()
imgs = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16
lab = torch.tensor(d.target)
p = torch.randperm(len(imgs))
imgs, lab = imgs[p], lab[p]


def backbone():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten())


class RotationTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = backbone()
        self.rot_head = nn.Linear(512, 4)

    def forward(self, x):
        return self.rot_head(self.backbone(x))


pre = RotationTask()
opt = torch.optim.Adam(pre.parameters(), lr=1e-3)
for step in range(200):
    xb = imgs[torch.randint(0, 1200, (64,))]
    k = torch.randint(0, 4, (64,))
    xb = torch.stack([torch.rot90(a, int(r), (1, 2)) for a, r in zip(xb, k)])
    loss = nn.functional.cross_entropy(pre(xb), k)
    opt.zero_grad()
    loss.backward()
    opt.step()
print("rotation loss", loss.item())

features = pre.backbone
for prm in features.parameters():
    prm.requires_grad_(False)
features.eval()
model = nn.Sequential(features, nn.Linear(512, 10))
head_opt = torch.optim.SGD(model[1].parameters(), lr=0.05, momentum=0.9)
loader = DataLoader(TensorDataset(imgs[:1200], lab[:1200]), batch_size=40, shuffle=True)
for epoch in range(8):
    model.train()
    features.eval()          # running statistics must stay as they are
    s = 0.0
    for xb, yb in loader:
        loss = nn.functional.cross_entropy(model(xb), yb)
        head_opt.zero_grad()
        loss.backward()
        head_opt.step()
        s += loss.item()
    model.eval()
    with torch.no_grad():
        acc = (model(imgs[1200:]).argmax(1) == lab[1200:]).float().mean().item()
    print(f"probe epoch {epoch} loss {s / len(loader):.4f} test acc {acc:.4f}")
