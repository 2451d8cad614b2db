"""Binarised weights with a straight-through estimator: latent weights are clipped, BatchNorm behind every layer; sign weights do the prediction."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(241)


class BinarizeSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * (x.abs() <= 1).float()


class BinaryLinear(nn.Linear):
    def __init__(self, i, o):
        super().__init__(i, o, bias=False)
        nn.init.uniform_(self.weight, -0.5, 0.5)

    def forward(self, x):
        return F.linear(x, BinarizeSTE.apply(self.weight))


class BNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.bn1 = BinaryLinear(64, 256), nn.BatchNorm1d(256)
        self.fc2, self.bn2 = BinaryLinear(256, 256), nn.BatchNorm1d(256)
        self.fc3, self.bn3 = BinaryLinear(256, 10), nn.BatchNorm1d(10)

    def forward(self, x):
        x = BinarizeSTE.apply(self.bn1(self.fc1(x)))
        x = BinarizeSTE.apply(self.bn2(self.fc2(x)))
        return self.bn3(self.fc3(x))


digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 8 - 1
full = TensorDataset(x, torch.tensor(digits.target))
train, test = random_split(full, [1400, len(full) - 1400], generator=torch.Generator().manual_seed(0))
train_loader, test_loader = DataLoader(train, 50, shuffle=True), DataLoader(test, 200)
model = BNN()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5, 8], 0.2)
for epoch in range(10):
    model.train()
    flips = 0
    for bx, by in train_loader:
        before = model.fc2.weight.sign()
        loss = F.cross_entropy(model(bx), by)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for m in (model.fc1, model.fc2, model.fc3):
                m.weight.clamp_(-1, 1)
        flips += (before != model.fc2.weight.sign()).sum().item()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(a).argmax(1) == b).sum().item() for a, b in test_loader)
    print(f"epoch {epoch} loss {loss.item():.4f} test accuracy {right / len(test):.4f} sign flips in layer 2: {flips}")
