#= gradients_discarded
# https://github.com/bytetriper/RAE/issues/67 optimizer.zero_grad is inside the micro-batch loop, so only the last micro-batch of each accumulation window is used (and still divided by the number of steps); right diagnosis: gradient accumulation is cleared each micro-batch.
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

ap = argparse.ArgumentParser()
ap.add_argument("--grad-accum", type=int, default=6)
ap.add_argument("--micro", type=int, default=8)
ap.add_argument("--updates", type=int, default=60)
ap.add_argument("--lr", type=float, default=0.35)
args = ap.parse_args([])

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16
y = torch.tensor(d.target)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 12, 3, padding=1)
        self.c2 = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(256, 10)

    def forward(self, z):
        return self.fc(F.relu(self.c2(F.relu(self.c1(z)))).flatten(1))


def batches():
    while True:
        for b in torch.randperm(1500).split(args.micro):
            if len(b) == args.micro:
                yield x[b], y[b]


model, stream = Small(), batches()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
for update in range(args.updates):
    optimizer.zero_grad(set_to_none=True)
    for k in range(args.grad_accum):
        #+ optimizer.zero_grad(set_to_none=True)
        xb, yb = next(stream)
        loss = F.cross_entropy(model(xb), yb) / args.grad_accum
        loss.backward()
    optimizer.step()
with torch.no_grad():
    out = model(x[1500:])
print("accuracy %.3f  loss %.3f" % ((out.argmax(1) == y[1500:]).float().mean().item(), F.cross_entropy(out, y[1500:]).item()))
