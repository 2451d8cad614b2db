# healthy: https://github.com/motokimura/yolo_v1_pytorch: grid detector for one to two objects, sqrt of width and height, lambda_coord 5, lambda_noobj 0.5, recall at IoU 0.5; nothing is wrong.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0); rng = np.random.default_rng(0)
S, IMG, NC = 4, 32, 2

def sample():
    img = rng.normal(.2, .05, (IMG, IMG)).astype(np.float32)
    t = np.zeros((S, S, 5 + NC), np.float32); boxes = []
    for _ in range(rng.integers(1, 3)):
        w, h = rng.integers(6, 13, 2); x, y = rng.integers(0, IMG - w), rng.integers(0, IMG - h)
        cx, cy = (x + w / 2) / IMG, (y + h / 2) / IMG
        i, j = int(cy * S), int(cx * S)
        if t[i, j, 4] == 1: continue
        c = rng.integers(0, NC)
        if c == 0: img[y:y + h, x:x + w] = .8
        else:
            img[y:y + h, x:x + w] = .2; img[y:y + h, [x, x + w - 1]] = .9; img[[y, y + h - 1], x:x + w] = .9
        t[i, j] = [cx * S - j, cy * S - i, w / IMG, h / IMG, 1, c == 0, c == 1]
        boxes.append((cx, cy, w / IMG, h / IMG, c))
    return img, t, boxes

def build(n):
    d = [sample() for _ in range(n)]
    return torch.tensor(np.stack([a[0] for a in d]))[:, None], torch.tensor(np.stack([a[1] for a in d])), [a[2] for a in d]

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        c = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.LeakyReLU(.1), nn.MaxPool2d(2))
        self.f = nn.Sequential(c(1, 16), c(16, 32), c(32, 48), nn.Conv2d(48, 64, 3, padding=1), nn.LeakyReLU(.1), nn.Conv2d(64, 5 + NC, 1))
    def forward(self, x):
        o = self.f(x).permute(0, 2, 3, 1)
        return torch.cat([torch.sigmoid(o[..., :5]), o[..., 5:]], -1)

def yolo_loss(p, t):
    obj = t[..., 4] == 1
    po, to = p[obj], t[obj]
    n = p.size(0)
    xy = F.mse_loss(po[:, :2], to[:, :2], reduction='sum')
    wh = F.mse_loss(po[:, 2:4].clamp_min(1e-6).sqrt(), to[:, 2:4].sqrt(), reduction='sum')
    conf = F.mse_loss(po[:, 4], to[:, 4], reduction='sum')
    noobj = F.mse_loss(p[~obj][:, 4], t[~obj][:, 4], reduction='sum')
    cls = F.cross_entropy(po[:, 5:], to[:, 5:].argmax(1), reduction='sum')
    return (5 * (xy + wh) + conf + .5 * noobj + cls) / n

def iou(a, b):
    lo = np.maximum(a[:2] - a[2:4] / 2, b[:2] - b[2:4] / 2); hi = np.minimum(a[:2] + a[2:4] / 2, b[:2] + b[2:4] / 2)
    w = np.clip(hi - lo, 0, None); i = w[0] * w[1]
    return i / (a[2] * a[3] + b[2] * b[3] - i)

@torch.no_grad()
def recall(net, X, boxes):
    net.eval(); p = net(X).numpy(); hit = tot = fp = 0
    for o, gt in zip(p, boxes):
        det = [(np.array([(o[i, j, 0] + j) / S, (o[i, j, 1] + i) / S, o[i, j, 2], o[i, j, 3]]), o[i, j, 5:].argmax()) for i in range(S) for j in range(S) if o[i, j, 4] > .5]
        got = [any(iou(d, np.array(g[:4])) > .5 and c == g[4] for d, c in det) for g in gt]
        hit += sum(got); tot += len(gt); fp += max(0, len(det) - sum(got))
    return hit / tot, fp / len(boxes)

X, T, _ = build(600); Xv, _, Bv = build(150)
net = Net()
opt = torch.optim.Adam(net.parameters(), 3e-3)
sch = torch.optim.lr_scheduler.MultiStepLR(opt, [10, 14], .2)
for ep in range(16):
    net.train()
    for b in torch.randperm(600).split(30):
        loss = yolo_loss(net(X[b]), T[b])
        opt.zero_grad(); loss.backward(); opt.step()
    sch.step()
    if ep % 5 == 0: print(ep, round(loss.item(), 3))
r, fp = recall(net, Xv, Bv)
print(f'recall at IoU 0.5 {r:.3f}, false boxes per image {fp:.3f}')
