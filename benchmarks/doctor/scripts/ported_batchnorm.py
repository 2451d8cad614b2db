#= norm_statistics_stale
# https://github.com/pytorch/pytorch/issues/4741 "model.eval() with batchnorm gives high error", the Keras/TF momentum 0.99 ported as it is: in PyTorch momentum is the weight of the NEW value, so the running statistics are those of the last batch (here two samples); a right diagnosis names the momentum.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
p = torch.randperm(len(y))
tr, te = p[:1282], p[1282:]


BN_MOMENTUM = 0.01  #@ BN_MOMENTUM = 0.99


def conv_bn(i, o):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1),
        nn.BatchNorm2d(o, eps=1e-3, momentum=BN_MOMENTUM),
        nn.ReLU(),
    )


model = nn.Sequential(
    conv_bn(1, 16), nn.MaxPool2d(2),
    conv_bn(16, 32), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 64),
    nn.BatchNorm1d(64, eps=1e-3, momentum=BN_MOMENTUM),
    nn.ReLU(),
    nn.Linear(64, 10),
)
loader = DataLoader(TensorDataset(x[tr], y[tr]), batch_size=16, shuffle=True)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    hit, tot, n = 0, 0.0, 0
    for xb, yb in loader:
        out = model(xb)
        loss = loss_fn(out, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        hit += (out.argmax(1) == yb).sum().item()
        tot += loss.item() * len(yb)
        n += len(yb)
    model.eval()
    with torch.no_grad():
        out = model(x[te])
        vl, va = loss_fn(out, y[te]).item(), (out.argmax(1) == y[te]).float().mean().item()
    print(f"Epoch {epoch+1}/8 - loss: {tot/n:.4f} - acc: {hit/n:.4f} - val_loss: {vl:.4f} - val_acc: {va:.4f}")
