#= term_without_gradient
#: https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66 ; the student's probabilities are computed from the teacher's logits, so the distillation term is 0 and has no gradient; diagnosis: student logits are not in the soft loss.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.data).float() / 16; y = torch.tensor(d.target)
p = torch.randperm(1797); X, y = X[p], y[p]
lab, unl, te = slice(0, 1300), slice(0, 1300), slice(1300, 1797)
class Configs:
    temperature = 4.
    soft_w, hard_w = .9, .1
    few = 40
    def run(self):
        self.large = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(.3), nn.Linear(256, 10))
        o = torch.optim.Adam(self.large.parameters(), 2e-3)
        for _ in range(25):
            for b in torch.randperm(1300).split(100):
                o.zero_grad(); F.cross_entropy(self.large(X[b]), y[b]).backward(); o.step()
        self.large.eval().requires_grad_(False)
        self.small = nn.Sequential(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
        self.opt = torch.optim.Adam(self.small.parameters(), 5e-3)
        for ep in range(30):
            for b in torch.randperm(1300).split(65): self.step(X[b], torch.randint(self.few, (20,)))
        with torch.no_grad():
            a = lambda m: (m(X[te]).argmax(1) == y[te]).float().mean().item()
            return a(self.large), a(self.small)
    def step(self, x, few):
        large_logits = self.large(x)
        output = self.small(x)
        soft_targets = F.softmax(large_logits / self.temperature, -1)
        soft_prob = F.log_softmax(output / self.temperature, -1)  #@ soft_prob = F.log_softmax(large_logits / self.temperature, -1)
        soft_loss = F.kl_div(soft_prob, soft_targets, reduction='batchmean')
        label_loss = F.cross_entropy(self.small(X[few]), y[few])
        loss = self.soft_w * self.temperature ** 2 * soft_loss + self.hard_w * label_loss
        self.opt.zero_grad(); loss.backward(); self.opt.step()
print('teacher acc %.4f student acc %.4f' % Configs().run())
