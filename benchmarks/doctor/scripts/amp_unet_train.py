#= clipping_wrong
# https://github.com/milesial/Pytorch-UNet/issues/468 "Gradients are clipped before the unscaling": clip_grad_norm_ acts on gradients multiplied by the loss scale, the real steps become tiny; a right diagnosis says call scaler.unscale_(optimizer) first.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def shapes(n, s=16):
    yy, xx = torch.meshgrid(torch.arange(s), torch.arange(s), indexing="ij")
    c = torch.randint(4, s - 4, (n, 2))
    r = torch.randint(2, 5, (n,))
    mask = ((yy - c[:, 0, None, None]) ** 2 + (xx - c[:, 1, None, None]) ** 2 <= r[:, None, None] ** 2).float()
    img = mask * 0.8 + 0.3 * torch.randn(n, s, s)
    return img.unsqueeze(1), mask.unsqueeze(1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1 = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU())
        self.d2 = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(12, 24, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.u1 = nn.Sequential(nn.Conv2d(24, 12, 3, padding=1), nn.ReLU())
        self.outc = nn.Conv2d(12, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.up(self.d2(a))
        return self.outc(self.u1(torch.cat([a, b], 1)))


def dice(pred, true):
    inter = (pred * true).sum()
    return (2 * inter / (pred.sum() + true.sum() + 1e-6)).item()


model = UNet().to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
grad_scaler = torch.amp.GradScaler(device.type, init_scale=2.0 ** 16)
criterion = nn.BCEWithLogitsLoss()
train_loader = DataLoader(TensorDataset(*shapes(480)), batch_size=24, shuffle=True)
val_img, val_mask = (t.to(device) for t in shapes(120))

for epoch in range(1, 11):
    model.train()
    epoch_loss = 0
    for images, true_masks in train_loader:
        images, true_masks = images.to(device), true_masks.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            masks_pred = model(images)
        loss = criterion(masks_pred.float(), true_masks)
        optimizer.zero_grad(set_to_none=True)
        grad_scaler.scale(loss).backward()
        grad_scaler.unscale_(optimizer)  #@
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        grad_scaler.step(optimizer)
        grad_scaler.update()
        epoch_loss += loss.item()
    model.eval()
    with torch.no_grad():
        d = dice((model(val_img) > 0).float(), val_mask)
    print(f"epoch {epoch} loss {epoch_loss/len(train_loader):.4f} validation dice {d:.4f}")
