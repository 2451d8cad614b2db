# healthy: https://github.com/davda54/sam: two forward-backward passes per step (climb, then descend from the old weights), label smoothing; nothing is wrong.
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset, DataLoader

class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, adaptive=False, **kwargs):
        defaults = dict(rho=rho, adaptive=adaptive, **kwargs)
        super().__init__(params, defaults)
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        norm = torch.norm(torch.stack([((p.abs() if g['adaptive'] else 1.0) * p.grad).norm(p=2) for g in self.param_groups for p in g['params'] if p.grad is not None]), p=2)
        for g in self.param_groups:
            scale = g['rho'] / (norm + 1e-12)
            for p in g['params']:
                if p.grad is None: continue
                self.state[p]['old_p'] = p.data.clone()
                p.add_((p.pow(2) if g['adaptive'] else 1.0) * p.grad * scale)
        if zero_grad: self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is None: continue
                p.data = self.state[p]['old_p']
        self.base_optimizer.step()
        if zero_grad: self.zero_grad()

torch.manual_seed(42)
X, y = load_digits(return_X_y=True)
X = torch.tensor((X - 4.9) / 6, dtype=torch.float32); y = torch.tensor(y)
train = DataLoader(TensorDataset(X[:1300], y[:1300]), 64, shuffle=True)
test = DataLoader(TensorDataset(X[1300:], y[1300:]), 256)
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Dropout(.1), torch.nn.Linear(128, 10))
optimizer = SAM(model.parameters(), torch.optim.SGD, rho=.5, adaptive=True, lr=.05, momentum=.9, weight_decay=5e-4)
loss_f = torch.nn.CrossEntropyLoss(label_smoothing=.1)
for epoch in range(15):
    model.train()
    for g in optimizer.param_groups: g['lr'] = .05 * (1, .2)[epoch >= 10]
    for a, b in train:
        loss = loss_f(model(a), b)
        loss.backward()
        optimizer.first_step(zero_grad=True)
        loss_f(model(a), b).backward()
        optimizer.second_step(zero_grad=True)
model.eval()
with torch.no_grad():
    acc = sum((model(a).argmax(1) == b).sum().item() for a, b in test) / 497
print('last training loss', round(loss.item(), 4), 'test accuracy', round(acc, 4))
