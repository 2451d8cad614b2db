#= not_in_optimizer
"""Fine-tuning in two phases: first the head, from epoch 4 the whole network."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32) / 16
y = torch.tensor(y)
upside_down = X.view(-1, 8, 8).flip(1, 2).reshape(-1, 64)  # the new domain

body = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 12), nn.ReLU())
head = nn.Linear(12, 2)
source = nn.Sequential(body, head)
opt = torch.optim.Adam(source.parameters(), lr=2e-3)
for _ in range(6):  # "pretraining": is the digit even?
    for b in torch.randperm(len(X)).split(64):
        opt.zero_grad()
        nn.functional.cross_entropy(source(X[b]), y[b] % 2).backward()
        opt.step()

# --- the new task: ten classes, images upside down -----------------------------------------------------------------
model = nn.Sequential(body, nn.Linear(12, 10))
for p in model[0].parameters():
    p.requires_grad = False
optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=5e-3)
train_x, train_y, val_x, val_y = upside_down[:1400], y[:1400], upside_down[1400:], y[1400:]
for epoch in range(16):
    if epoch == 4:
        for p in model[0].parameters():
            p.requires_grad = True
        optimizer.add_param_group({"params": list(model[0].parameters()), "lr": 2e-3})  #@
        print("unfroze the body")
    model.train()
    for b in torch.randperm(1400).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(train_x[b]), train_y[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = (model(val_x).argmax(1) == val_y).float().mean()
    print(f"epoch {epoch}: loss {loss.item():.3f} val {val.item():.3f}")
