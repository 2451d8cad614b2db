#= labels_unfit
# https://github.com/kuangliu/pytorch-retinanet/issues/11 (class labels 0..20 or 1..21) labels are encoded without the +1 shift while 0 means background, so objects of the first class are trained as background and the others shifted; right diagnosis: background index collides with class 0 in the target encoder.
import torch
from torch import nn
import torch.nn.functional as F


class DataEncoder:
    def __init__(self, n_cells):
        self.n_cells = n_cells

    def encode(self, centres, labels):
        t = torch.zeros(self.n_cells, dtype=torch.long)
        t[centres.long()] = labels + 1  #@ t[centres.long()] = labels
        return t

    def decode(self, logits):
        return logits.argmax(-1) - 1


def strip(n, cells=12, width=4):
    x = 0.4 * torch.randn(n, 1, cells * width)
    shape = torch.tensor([[1., 1, 1, 1], [1, -1, 1, -1], [-1, -1, 1, 1]])
    t, gt = [], []
    enc = DataEncoder(cells)
    for k in range(n):
        c = torch.randperm(cells)[:3]
        lab = torch.randint(0, 3, (3,))
        for cc, l in zip(c.tolist(), lab.tolist()):
            x[k, 0, cc * width:(cc + 1) * width] += shape[l] * 1.2
        t.append(enc.encode(c, lab))
        full = torch.full((cells,), -1)
        full[c] = lab
        gt.append(full)
    return x, torch.stack(t), torch.stack(gt)


torch.manual_seed(0)
net = nn.Sequential(nn.Conv1d(1, 24, 4, stride=4), nn.ReLU(), nn.Conv1d(24, 24, 1), nn.ReLU(), nn.Conv1d(24, 4, 1))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
x, t, _ = strip(400)
for ep in range(10):
    for i in torch.randperm(400).split(40):
        out = net(x[i])
        loss = F.cross_entropy(out, t[i], weight=torch.tensor([0.4, 1.0, 1.0, 1.0]))
        opt.zero_grad(); loss.backward(); opt.step()
xt, _, gt = strip(200)
pred = DataEncoder(12).decode(net(xt).transpose(1, 2))
fg = gt >= 0
print("detected and right: %.3f, false positives per strip %.2f" % ((pred[fg] == gt[fg]).float().mean().item(), ((pred >= 0) & ~fg).sum().item() / 200))
