#= term_without_gradient
#: https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66 - the soft term uses the large model's logits twice, so it is constant and the student learns nothing from it; right: the student's output in log_softmax.
from dataclasses import dataclass
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


@dataclass
class Configs:
    epochs: int = 40
    temperature: float = 4.
    soft: float = 5.
    hard: float = .5
    labelled: int = 60


conf = Configs()
torch.manual_seed(4)
X, Y = load_digits(return_X_y=True)
X, Y = torch.tensor(X, dtype=torch.float32) / 16, torch.tensor(Y)
p = torch.randperm(len(X))
tr, va = p[:1200], p[1200:]
has_label = torch.zeros(len(X), dtype=torch.bool)
has_label[tr[:conf.labelled]] = True


def fit_large():
    net = nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Dropout(.3), nn.Linear(200, 10))
    o = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(15):
        for b in tr[torch.randperm(1200)].split(60):
            o.zero_grad(); F.cross_entropy(net(X[b]), Y[b]).backward(); o.step()
    return net.eval().requires_grad_(False)


large = fit_large()
model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
optimizer = torch.optim.Adam(model.parameters(), 2e-3)
kl = nn.KLDivLoss(reduction='batchmean', log_target=True)
for epoch in range(conf.epochs):
    for b in tr[torch.randperm(1200)].split(60):
        data, target, m = X[b], Y[b], has_label[b]
        with torch.no_grad():
            large_logits = large(data)
        output = model(data)
        soft_targets = F.log_softmax(large_logits / conf.temperature, dim=-1)
        soft_prob = F.log_softmax(output / conf.temperature, dim=-1)  #@ soft_prob = F.log_softmax(large_logits / conf.temperature, dim=-1)
        soft_loss = kl(soft_prob, soft_targets)
        hard_loss = F.cross_entropy(output[m], target[m]) if m.any() else output.sum() * 0
        loss = conf.soft * soft_loss + conf.hard * hard_loss
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    if epoch % 10 == 9: print(epoch + 1, 'soft', round(soft_loss.item(), 6), 'hard', round(hard_loss.item(), 4))
with torch.no_grad():
    acc = lambda n: (n(X[va]).argmax(1) == Y[va]).float().mean().item()
    print(f'large {acc(large):.4f}, small {acc(model):.4f}')
