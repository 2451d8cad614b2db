# healthy: https://github.com/gidariss/FeatureLearningRotNet: pretext task of four rotations, then the backbone is frozen in eval mode and only a classifier is trained; nothing is wrong.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(21)
imgs, labels = load_digits(return_X_y=True)
imgs = torch.tensor(imgs, dtype=torch.float32).view(-1, 1, 8, 8).div(16)
labels = torch.tensor(labels)
g = torch.randperm(1797)
unl, lab, test = g[:1200], g[1000:1200], g[1200:]

def rotate(x):
    return torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)]), torch.arange(4).repeat_interleave(len(x))

backbone = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
                         nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.Flatten())
rot_head = nn.Sequential(nn.Linear(48 * 16, 64), nn.ReLU(), nn.Linear(64, 4))

# phase 1
opt = torch.optim.SGD(list(backbone.parameters()) + list(rot_head.parameters()), lr=.05, momentum=.9, nesterov=True, weight_decay=5e-4)
sched = torch.optim.lr_scheduler.MultiStepLR(opt, [6, 9], gamma=.2)
for epoch in range(10):
    backbone.train()
    for b in unl[torch.randperm(len(unl))].split(100):
        x, r = rotate(imgs[b])
        loss = F.cross_entropy(rot_head(backbone(x)), r)
        opt.zero_grad(); loss.backward(); opt.step()
    sched.step()
backbone.eval()
with torch.no_grad():
    x, r = rotate(imgs[test])
    print('rotation accuracy', (rot_head(backbone(x)).argmax(1) == r).float().mean().item())

# phase 2
for p in backbone.parameters():
    p.requires_grad_(False)
clf = nn.Linear(48 * 16, 10)
opt = torch.optim.Adam(clf.parameters(), lr=1e-3)
for epoch in range(60):
    for b in lab[torch.randperm(len(lab))].split(50):
        with torch.no_grad():
            h = backbone(imgs[b])
        loss = F.cross_entropy(clf(h), labels[b])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    acc = (clf(backbone(imgs[test])).argmax(1) == labels[test]).float().mean().item()
print(f'digit accuracy with 200 labels on frozen features {acc:.3f}')
