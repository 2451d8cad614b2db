#= resumed_without_state
#: https://github.com/PolymathicAI/the_well/pull/63 ; the checkpoint has no scheduler state, so after the restart the warm-up and the cosine schedule begin again and training ends at a high rate; diagnosis: save and load the scheduler.
import math, os, tempfile, torch, torch.nn as nn
torch.manual_seed(0)
N = 1500
X = torch.randn(N, 20); beta = torch.randn(20)
Y = torch.tanh(X @ beta * .5) + .5 * (X[:, 0] * X[:, 1]) + .3 * torch.randn(N)
class Trainer:
    def __init__(self, total=600, warm=60, lr=.03):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 1))
        self.opt = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=.9)
        self.sched = torch.optim.lr_scheduler.LambdaLR(self.opt, lambda s: (s + 1) / warm if s < warm else .5 * (1 + math.cos(math.pi * min(1., (s - warm) / (total - warm)))))
        self.step = 0
    def save_model(self, path):
        torch.save({'model': self.model.state_dict(), 'optimizer_state_dict': self.opt.state_dict(), 'scheduler': self.sched.state_dict(), 'step': self.step}, path)
    def load_checkpoint(self, path):
        ck = torch.load(path)
        self.model.load_state_dict(ck['model'])
        self.opt.load_state_dict(ck['optimizer_state_dict'])
        self.sched.load_state_dict(ck['scheduler'])  #@ pass
        self.step = ck['step']
    def run(self, until):
        while self.step < until:
            b = torch.randint(1000, (16,))
            loss = nn.functional.mse_loss(self.model(X[b]).squeeze(1), Y[b])
            self.opt.zero_grad(); loss.backward(); self.opt.step(); self.sched.step(); self.step += 1
    def val(self):
        with torch.no_grad(): return nn.functional.mse_loss(self.model(X[1000:]).squeeze(1), Y[1000:]).item()
with tempfile.TemporaryDirectory() as tmp:
    ck = os.path.join(tmp, 'ck.pt')
    a = Trainer(); a.run(360); a.save_model(ck); print('interrupted at', a.step, 'val', round(a.val(), 4), 'lr', a.opt.param_groups[0]['lr'])
    b = Trainer(); b.load_checkpoint(ck); b.run(600)
print('finished', b.step, 'val', round(b.val(), 4), 'final lr', b.opt.param_groups[0]['lr'])
