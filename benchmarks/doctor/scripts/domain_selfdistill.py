#= log_of_probabilities
# https://github.com/microsoft/ProDA/issues/20 F.kl_div is called with softmax probabilities of the student instead of log-probabilities; right diagnosis: kl_div input must be log-softmax.
import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(2)
H = W = 12
def scenes(n, shift):
    lab = torch.zeros(n, H, W, dtype=torch.long)
    for k in range(n):
        r, c = torch.randint(0, 7, (2,)).tolist()
        lab[k, r:r + 5, c:c + 5] = 1
        lab[k, (r + 6) % 12:(r + 6) % 12 + 3, :4] = 2
    img = torch.stack([(lab == j).float() * (1.0 + 0.3 * j) for j in (1, 2)], 1) + shift
    return img + 0.5 * torch.randn_like(img), lab

def net(ch):
    return nn.Sequential(nn.Conv2d(2, ch, 3, padding=1), nn.ReLU(), nn.Conv2d(ch, ch, 3, padding=1), nn.ReLU(), nn.Conv2d(ch, 3, 1))

src, sl = scenes(300, 0.0)
tgt, _ = scenes(300, 0.1)
tx, tl = scenes(150, 0.1)
teacher = net(16)
o = torch.optim.Adam(teacher.parameters(), 5e-3)
for i in range(150):
    j = torch.randint(0, 300, (24,))
    o.zero_grad(); F.cross_entropy(teacher(src[j]), sl[j]).backward(); o.step()
for p in teacher.parameters(): p.requires_grad = False

pupil = net(8)
o = torch.optim.SGD(pupil.parameters(), lr=0.1, momentum=0.9)
for i in range(250):
    j = torch.randint(0, 300, (24,))
    student = F.log_softmax(pupil(tgt[j]), dim=1)  #@ student = F.softmax(pupil(tgt[j]), dim=1)
    target = F.softmax(teacher(tgt[j]), dim=1)
    loss = F.kl_div(student, target, reduction="none").sum(1).mean()
    o.zero_grad(); loss.backward(); o.step()

def miou(m):
    p = m(tx).argmax(1)
    return sum((((p == c) & (tl == c)).sum() / ((p == c) | (tl == c)).sum().clamp(min=1)).item() for c in range(3)) / 3
with torch.no_grad():
    pr = pupil(tx)
    print("target mIoU %.3f, nll %.3f" % (miou(pupil), F.cross_entropy(pr, tl).item()))
