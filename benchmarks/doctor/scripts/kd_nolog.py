#= log_of_probabilities
#: https://github.com/microsoft/ProDA/issues/20 - F.kl_div takes the student's LOG-probabilities but gets softmax; the loss goes negative and its gradient is not that of a KL; right: log_softmax for the student.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)
H = 16

def stripes(n):
    f = torch.rand(n, 1, 1) * .5 + .6
    ang = torch.rand(n, 1, 1) * 3.14
    g = torch.arange(H).float()
    v = torch.sin(f * (g[None, :, None] * ang.cos() + g[None, None] * ang.sin()) + 6 * torch.rand(n, 1, 1))
    lab = (v > .35).long() + (v > -.35).long()
    img = v[:, None] + .5 * torch.randn(n, 1, H, H)
    return img, lab

def segnet(c):
    return nn.Sequential(nn.Conv2d(1, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, 3, 1))

class AdaptationModel:
    def __init__(self, distillation):
        self.distillation = distillation
        self.teacher, self.student = segnet(24), segnet(8)
        self.opt_t = torch.optim.Adam(self.teacher.parameters(), 3e-3)
        self.opt_s = torch.optim.Adam(self.student.parameters(), 3e-3)

    def source(self, steps):
        for _ in range(steps):
            x, y = stripes(16)
            l = F.cross_entropy(self.teacher(x), y)
            self.opt_t.zero_grad(); l.backward(); self.opt_t.step()
        return l.item()

    def step(self, x, threshold=.0):
        out = self.student(x)
        student = F.log_softmax(out, dim=1)  #@ student = F.softmax(out, dim=1)
        with torch.no_grad():
            teacher = F.softmax(self.teacher(x), dim=1)
        loss_kd = F.kl_div(student, teacher, reduction='none')
        mask = (teacher.max(1, keepdim=True).values > threshold).float()
        loss_kd = (loss_kd * mask).sum() / mask.sum()
        loss = self.distillation * loss_kd
        self.opt_s.zero_grad(); loss.backward(); self.opt_s.step()
        return loss.item()

m = AdaptationModel(1.)
print('teacher loss', round(m.source(200), 4))
for i in range(260):
    l = m.step(stripes(16)[0])
    if i % 65 == 0: print(i, 'distillation loss', round(l, 4))
with torch.no_grad():
    x, y = stripes(200)
    t, s = m.teacher(x), m.student(x)
    print(f'pixel accuracy: teacher {(t.argmax(1) == y).float().mean():.4f}, student {(s.argmax(1) == y).float().mean():.4f}; student cross-entropy {F.cross_entropy(s, y):.3f} (teacher {F.cross_entropy(t, y):.3f})')
