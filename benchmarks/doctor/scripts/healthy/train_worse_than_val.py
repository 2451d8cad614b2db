"""Heavy dropout, mixup with soft labels and label smoothing: training loss stays above validation loss."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
one_hot = nn.functional.one_hot(y, 10).float()
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5),
                      nn.Linear(128, 10))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    total = 0.0
    for b in torch.randperm(1400).split(50):
        lam, mate = torch.distributions.Beta(0.4, 0.4).sample(), b[torch.randperm(len(b))]
        loss = criterion(model(lam * x[b] + (1 - lam) * x[mate]), lam * one_hot[b] + (1 - lam) * one_hot[mate])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() / 28
    model.eval()
    with torch.no_grad():
        out = model(x[1400:])
    if epoch % 5 == 4:
        print(epoch, f'train {total:.3f} val {nn.functional.cross_entropy(out, y[1400:]).item():.3f} acc {(out.argmax(1) == y[1400:]).float().mean().item():.3f}')
