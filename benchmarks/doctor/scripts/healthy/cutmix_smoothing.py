"""CutMix with smoothed labels and strong dropout: the training loss stays far above that of the validation."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(5)
raw = load_digits()
X, Y = torch.tensor(raw.images, dtype=torch.float32)[:, None] / 16, torch.tensor(raw.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]


def cutmix(x, y):
    lam = torch.distributions.Beta(1.0, 1.0).sample().item()
    other = torch.randperm(len(x))
    side = int(8 * (1 - lam) ** 0.5)
    top, left = torch.randint(0, 9 - side, (2,)).tolist()
    x = x.clone()
    x[:, :, top : top + side, left : left + side] = x[other, :, top : top + side, left : left + side]
    share = 1 - side * side / 64
    hot = nn.functional.one_hot(y, 10).float()
    return x, 0.9 * (share * hot + (1 - share) * hot[other]) + 0.01


net = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(384, 10))
opt = torch.optim.RMSprop(net.parameters(), lr=1e-3)
for epoch in range(8):
    net.train()
    total = 0.0
    for idx in torch.randperm(1200).split(40):
        x, soft = cutmix(X[idx], Y[idx])
        loss = -(soft * net(x).log_softmax(1)).sum(1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() / 30
    net.eval()
    with torch.no_grad():
        out = net(X[1200:])
    print(f"{epoch} train {total:.3f} val {nn.functional.cross_entropy(out, Y[1200:]):.3f} acc {(out.argmax(1) == Y[1200:]).float().mean():.3f}")
