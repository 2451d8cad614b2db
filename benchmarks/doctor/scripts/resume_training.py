#= resumed_without_state
# https://github.com/PolymathicAI/the_well/pull/63 and https://github.com/ultralytics/yolov5/issues/292 scheduler state is neither saved nor loaded, so every resumed run restarts the schedule at its peak; right diagnosis: LR scheduler not restored from the checkpoint.
import io
import torch
from torch import nn
import math
from torch.optim.lr_scheduler import LambdaLR

torch.manual_seed(0)
X = torch.randn(900, 8)
W = torch.randn(8, 1)
Y = torch.sin(X @ W / 2) + 0.3 * torch.randn(900, 1)


class Trainer:
    def __init__(self, total_epochs=36):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.06, momentum=0.9)
        self.lr_scheduler = LambdaLR(self.optimizer, lambda e: 0.01 + 0.99 * (1 + math.cos(math.pi * min(e, total_epochs) / total_epochs)) / 2)
        self.epoch, self.total = 0, total_epochs

    def save(self):
        buf = io.BytesIO()
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "scheduler": self.lr_scheduler.state_dict(), "epoch": self.epoch}, buf)
        return buf.getvalue()

    def load(self, blob):
        ck = torch.load(io.BytesIO(blob))
        self.model.load_state_dict(ck["model"])
        self.epoch = ck["epoch"]
        self.optimizer.load_state_dict(ck["optimizer"])
        self.lr_scheduler.load_state_dict(ck["scheduler"])  #@

    def train(self, n_epochs):
        for _ in range(n_epochs):
            for i in torch.randperm(700).split(35):
                loss = nn.functional.mse_loss(self.model(X[i]), Y[i])
                self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
            self.lr_scheduler.step()
            self.epoch += 1


t = Trainer()
t.train(12)
for part in range(2):
    blob = t.save()
    t = Trainer()
    t.load(blob)
    t.train(12)
with torch.no_grad():
    print("test mse %.4f after %d epochs, lr %.5f" % (nn.functional.mse_loss(t.model(X[700:]), Y[700:]).item(), t.epoch, t.optimizer.param_groups[0]["lr"]))
