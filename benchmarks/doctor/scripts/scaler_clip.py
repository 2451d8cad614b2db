#= clipping_wrong
"""Mixed precision with a loss scale and clipping."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
raw, labels = load_digits(return_X_y=True)
inputs = torch.tensor(raw).float().sub(5).div(6)
targets = torch.tensor(labels)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for idx in torch.randperm(1400).split(64):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_fn(model(inputs[idx]), targets[idx])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)  #@
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    model.eval()
    with torch.no_grad():
        print(epoch, (model(inputs[1400:]).argmax(1) == targets[1400:]).float().mean().item())
