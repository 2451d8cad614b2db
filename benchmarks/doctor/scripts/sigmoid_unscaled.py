#= inputs_unscaled
#: raw features with values up to 1e5 are fed into a sigmoid network
"""Adult-income-like tabular data, neural net from scratch with nn.Module."""
import torch
import torch.nn as nn
import torch.utils.data as data_utils

torch.manual_seed(17)


def load_people(n):
    age = torch.randint(17, 90, (n,)).float()
    fnlwgt = torch.rand(n) * 4e5 + 1e4
    edu = torch.randint(1, 16, (n,)).float()
    gain = (torch.rand(n) < 0.1).float() * torch.rand(n) * 1e5
    hours = (torch.randn(n) * 10 + 40).clamp(1, 99)
    s = 0.35 * (edu - 9) + 0.05 * (hours - 40) + 0.03 * (age - 45) + 2 * (gain > 1e3).float()
    y = (s + 0.5 * torch.randn(n) > 0.3).long()
    return torch.stack([age, fnlwgt, edu, gain, hours], 1), y


x, y = load_people(3000)
x = (x - x[:2400].mean(0)) / x[:2400].std(0)  #@
train = data_utils.TensorDataset(x[:2400], y[:2400])
train_loader = data_utils.DataLoader(train, batch_size=50, shuffle=True)


class IncomeNet(nn.Module):
    def __init__(self, D_in, H, D_out):
        super().__init__()
        self.linear1 = nn.Linear(D_in, H)
        self.linear2 = nn.Linear(H, H)
        self.linear3 = nn.Linear(H, D_out)

    def forward(self, x):
        x = torch.sigmoid(self.linear1(x))
        x = torch.sigmoid(self.linear2(x))
        return self.linear3(x)


model = IncomeNet(5, 30, 2)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(1, 16):
    model.train()
    train_loss, n_batches = 0.0, 0
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
        n_batches += 1
    model.eval()
    with torch.no_grad():
        pred = model(x[2400:]).argmax(1)
    acc = (pred == y[2400:]).float().mean().item()
    if epoch % 3 == 0:
        print(f"epoch {epoch:2d} train_loss {train_loss / n_batches:.4f} val_acc {acc:.3f} (share of ones {y[2400:].float().mean():.3f})")
