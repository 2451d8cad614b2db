#= gradients_still_scaled
# own (AMP migration: scaler.scale(loss).backward() followed by optimizer.step()) the plain optimizer step uses gradients multiplied by the loss scale, so updates are about a thousand times too large and training diverges; right diagnosis: scaler.step (unscale) missing.
import torch
from torch import nn
from sklearn.datasets import load_wine

torch.manual_seed(0)
w = load_wine()
x = torch.tensor(w.data, dtype=torch.float32)
x = (x - x.mean(0)) / x.std(0)
y = torch.tensor(w.target)
idx = torch.randperm(len(x))
tr, te = idx[:120], idx[120:]
model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
for epoch in range(25):
    for b in tr[torch.randperm(len(tr))].split(30):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(x[b])
        loss = nn.functional.cross_entropy(out.float(), y[b])
        scaler.scale(loss).backward()
        scaler.step(optimizer)  #@ optimizer.step()
        scaler.update()  #@
with torch.no_grad():
    o = model(x[te])
print("test accuracy %.3f  loss %.3f" % ((o.argmax(1) == y[te]).float().mean().item(), nn.functional.cross_entropy(o, y[te]).item()))
