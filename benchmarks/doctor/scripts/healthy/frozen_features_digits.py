"""Train a head on a frozen, pretrained feature extractor."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
x, y = x[perm], y[perm]


class Extractor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                                  nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, a):
        return self.body(a).flatten(1)


ext, rot_head = Extractor(), nn.Linear(128, 4)
opt = torch.optim.Adam([*ext.parameters(), *rot_head.parameters()], lr=2e-3)
print("self-supervised: which way is the image turned?")
for epoch in range(10):
    ext.train()
    for b in torch.randperm(1200).split(50):
        k = torch.randint(0, 4, (len(b),))
        xb = torch.stack([torch.rot90(x[i], int(j), (1, 2)) for i, j in zip(b, k)])
        loss = nn.functional.cross_entropy(rot_head(ext(xb)), k)
        opt.zero_grad()
        loss.backward()
        opt.step()
print(f"  rotation loss {loss.item():.4f}")

ext.eval()
for p in ext.parameters():
    p.requires_grad_(False)
before = {k: v.clone() for k, v in ext.state_dict().items()}
head = nn.Linear(128, 10)
opt = torch.optim.Adam(head.parameters(), lr=5e-3)
for epoch in range(25):
    for b in torch.randperm(1200).split(50):
        loss = nn.functional.cross_entropy(head(ext(x[b])), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            acc = (head(ext(x[1200:])).argmax(1) == y[1200:]).float().mean().item()
        print(f"epoch {epoch+1} loss {loss.item():.4f} acc {acc:.4f}")
print("extractor unchanged:", all(torch.equal(before[k], v) for k, v in ext.state_dict().items()))
