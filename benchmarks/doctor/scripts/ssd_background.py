#= labels_unfit
"""Single-shot detection on a one-dimensional strip: anchors are matched to objects, class 0 stands for background."""
import torch
import torch.nn as nn
import torch.nn.functional as F

NUM_CLASSES = 3 + 1
LENGTH, STRIDE = 64, 4
ANCHORS = torch.arange(LENGTH // STRIDE) * STRIDE + STRIDE / 2
SHAPES = torch.stack([torch.ones(8), torch.linspace(-1, 1, 8), torch.tensor([1.0, -1.0] * 4)])


def make(n, gen):
    strips = 0.25 * torch.randn(n, LENGTH, generator=gen)
    boxes = torch.zeros(n, 2)
    labels = torch.randint(0, 3, (n,), generator=gen)
    starts = torch.randint(0, LENGTH - 8, (n,), generator=gen)
    for i, (s, c) in enumerate(zip(starts.tolist(), labels.tolist())):
        strips[i, s : s + 8] += SHAPES[c] * 1.5
        boxes[i] = torch.tensor([s, s + 8.0])
    return strips, boxes, labels


def match(boxes, labels):
    """Class and offset for each anchor: an anchor inside the box belongs to the object."""
    centre = boxes.mean(1, keepdim=True)
    near = (ANCHORS - centre).abs() <= STRIDE
    conf = labels[:, None].expand_as(near) + 1  #@ conf = labels[:, None].expand_as(near).clone()
    conf = torch.where(near, conf, torch.zeros_like(conf))
    return conf, (centre - ANCHORS) / STRIDE, near


class SSD(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv1d(1, 24, 5, 2, 2), nn.ReLU(), nn.Conv1d(24, 32, 5, 2, 2), nn.ReLU(), nn.Conv1d(32, 32, 5, 1, 2), nn.ReLU())
        self.cls, self.reg = nn.Conv1d(32, NUM_CLASSES, 1), nn.Conv1d(32, 1, 1)

    def forward(self, x):
        f = self.backbone(x.unsqueeze(1))
        return self.cls(f).transpose(1, 2), self.reg(f).squeeze(1)


class MultiBoxLoss(nn.Module):
    def __init__(self, neg_pos=3):
        super().__init__()
        self.neg_pos = neg_pos

    def forward(self, scores, offsets, conf, loc, near):
        ce = F.cross_entropy(scores.flatten(0, 1), conf.flatten(), reduction="none").view_as(conf)
        hard = ce.masked_fill(near, 0).sort(1, descending=True).values[:, : self.neg_pos * 2]
        n = near.sum()
        return (ce[near].sum() + hard.sum()) / n + F.smooth_l1_loss(offsets[near], loc[near], reduction="sum") / n


torch.manual_seed(3)
gen = torch.Generator().manual_seed(3)
train, test = make(1600, gen), make(300, gen)
net, criterion = SSD(), MultiBoxLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
for epoch in range(10):
    for idx in torch.randperm(1600).split(32):
        scores, offsets = net(train[0][idx])
        loss = criterion(scores, offsets, *match(train[1][idx], train[2][idx]))
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        scores, offsets = net(test[0])
        best = scores.softmax(-1)[..., 1:].flatten(1).argmax(1)
        where, what = best // 3, best % 3
        found = (ANCHORS[where] - test[1].mean(1)).abs() <= STRIDE
        found = found & (what == (test[2] + 1) - 1)
    print(f"epoch {epoch} loss {loss.item():.3f} found {found.float().mean():.3f}")
