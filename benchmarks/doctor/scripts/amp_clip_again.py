#= clipping_wrong
# https://github.com/victorchall/EveryDream2trainer/pull/175 and https://github.com/milesial/Pytorch-UNet/pull/470 clip_grad_norm_ runs before scaler.unscale_, so the threshold is divided by the loss scale and steps are almost zero; right diagnosis: clipping applied to scaled gradients.
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader


def make_blobs(n):
    yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    c = 3 + 10 * torch.rand(n, 2, 1, 1)
    r = 2 + 2 * torch.rand(n, 1, 1)
    m = ((yy - c[:, 0]) ** 2 + (xx - c[:, 1]) ** 2 < r ** 2).float()
    return (m + 0.4 * torch.randn(n, 16, 16)).unsqueeze(1), m.unsqueeze(1)


class TinyUNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True))
        self.inc, self.down, self.up = block(1, c), nn.Sequential(nn.MaxPool2d(2), block(c, 2 * c)), nn.ConvTranspose2d(2 * c, c, 2, 2)
        self.outc = nn.Sequential(block(2 * c, c), nn.Conv2d(c, 1, 1))

    def forward(self, x):
        a = self.inc(x)
        return self.outc(torch.cat([a, self.up(self.down(a))], 1))


def train_model(model, loader, epochs=5, lr=0.1, gradient_clipping=1.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    grad_scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 16)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        model.train()
        for images, masks in loader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                pred = model(images)
            loss = criterion(pred.float(), masks)
            optimizer.zero_grad(set_to_none=True)
            grad_scaler.scale(loss).backward()
            grad_scaler.unscale_(optimizer)  #@
            torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clipping)
            grad_scaler.step(optimizer)
            grad_scaler.update()


torch.manual_seed(0)
x, m = make_blobs(480)
net = TinyUNet()
train_model(net, DataLoader(TensorDataset(x, m), batch_size=24, shuffle=True))
net.eval()
xt, mt = make_blobs(120)
with torch.no_grad():
    p = (net(xt) > 0).float()
print("dice %.3f" % (2 * (p * mt).sum() / (p.sum() + mt.sum() + 1e-6)).item())
