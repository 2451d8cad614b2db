#= evaluation_wrong
#: accuracy uses argmax over a single output unit, which is always class 0
"""Two-class images (stripes against checkerboard), one output with BCEWithLogits."""
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(13)
device = "cuda" if torch.cuda.is_available() else "cpu"


def make_images(n):
    r = torch.arange(14)
    stripes = ((r // 2) % 2).float().repeat(14, 1)
    checker = ((r[:, None] // 2 + r[None, :] // 2) % 2).float()
    y = torch.randint(0, 2, (n,))
    x = torch.where(y[:, None, None] == 1, checker, stripes)
    shift = torch.randint(0, 4, (n,))
    x = torch.stack([torch.roll(a, int(s), 1) for a, s in zip(x, shift)])
    return TensorDataset((x + 0.8 * torch.randn(n, 14, 14)).unsqueeze(1), y)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.conv(x))


train_dl = DataLoader(make_images(1000), batch_size=50, shuffle=True)
valid_dl = DataLoader(make_images(300), batch_size=50)
model = CNN().to(device)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(8):
    model.train()
    train_loss, train_correct = 0.0, 0
    for images, labels in train_dl:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels.float().unsqueeze(1))
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * images.size(0)

    model.eval()
    valid_loss, valid_correct, seen = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in valid_dl:
            images, labels = images.to(device), labels.to(device)
            outputs = model(images)
            valid_loss += criterion(outputs, labels.float().unsqueeze(1)).item() * images.size(0)
            preds = (outputs.squeeze(1) > 0).long()  #@ preds = torch.argmax(outputs, dim=1)
            valid_correct += (preds == labels).sum().item()
            seen += len(labels)
    print(f"Epoch {epoch + 1}: train loss {train_loss / 1000:.4f}, valid loss {valid_loss / seen:.4f}, "
          f"valid acc {100 * valid_correct / seen:.1f}%")
