# healthy: https://github.com/pytorch/examples/tree/main/super_resolution: sub-pixel network with orthogonal start; PSNR against bilinear; nothing is wrong.
from math import log10
import torch
import torch.nn as nn
import torch.nn.init as init
from torch.utils.data import Dataset, DataLoader

class Shapes(Dataset):
    """random gratings and discs, 16x16, with their 8x8 means"""
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        t = torch.linspace(-1, 1, 16)
        y, x = torch.meshgrid(t, t, indexing='ij')
        p = torch.rand(n, 7, 1, 1, generator=g)
        grat = torch.sin((3 + 6 * p[:, 0]) * (x * torch.cos(6.28 * p[:, 1]) + y * torch.sin(6.28 * p[:, 1])) + 6.28 * p[:, 2])
        disc = ((x - p[:, 3] + .5) ** 2 + (y - p[:, 4] + .5) ** 2 < .05 + .3 * p[:, 5]).float()
        self.hr = (.5 + .25 * grat + .25 * (disc * 2 - 1) * (p[:, 6] > .3)).unsqueeze(1).clamp(0, 1)
        self.lr = nn.functional.avg_pool2d(self.hr, 2)
    def __len__(self): return len(self.hr)
    def __getitem__(self, i): return self.lr[i], self.hr[i]

class Net(nn.Module):
    def __init__(self, upscale_factor):
        super(Net, self).__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 32, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(32, 32, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(32, upscale_factor ** 2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        for c in (self.conv1, self.conv2):
            init.orthogonal_(c.weight, init.calculate_gain('relu'))
        init.orthogonal_(self.conv4.weight)
    def forward(self, x):
        return self.pixel_shuffle(self.conv4(self.relu(self.conv2(self.relu(self.conv1(x))))))

torch.manual_seed(123)
training_data_loader = DataLoader(Shapes(800, 1), batch_size=16, shuffle=True)
testing_data_loader = DataLoader(Shapes(200, 2), batch_size=50, shuffle=False)
model, criterion = Net(2), nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

def train(epoch):
    epoch_loss = 0
    for a, b in training_data_loader:
        optimizer.zero_grad()
        loss = criterion(model(a), b)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
    print('===> Epoch {} Avg. Loss: {:.5f}'.format(epoch, epoch_loss / len(training_data_loader)))

def test(f):
    avg_psnr = 0
    with torch.no_grad():
        for a, b in testing_data_loader:
            avg_psnr += 10 * log10(1 / criterion(f(a), b).item())
    return avg_psnr / len(testing_data_loader)

for epoch in range(1, 17):
    train(epoch)
base = test(lambda a: nn.functional.interpolate(a, scale_factor=2, mode='bicubic', align_corners=False))
print('===> Avg. PSNR: {:.2f} dB, bicubic {:.2f} dB'.format(test(model), base))
