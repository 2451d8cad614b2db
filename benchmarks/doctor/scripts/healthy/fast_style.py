# healthy: https://github.com/pytorch/examples/tree/main/fast_neural_style: transformer net trained with perceptual losses of a frozen feature net, instance norm, total variation; nothing is wrong.
import torch, torch.nn as nn
from torch.optim import Adam
from sklearn.datasets import load_digits

torch.manual_seed(42)
up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)
x_all = up(torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16)
t = torch.arange(16.)
style = (.5 + .5 * torch.sin(t[None] * 1.6 + t[:, None] * 1.6))[None, None]

class ConvLayer(nn.Module):
    def __init__(self, i, o, k, s=1):
        super().__init__()
        self.pad, self.conv = nn.ReflectionPad2d(k // 2), nn.Conv2d(i, o, k, s)
    def forward(self, x): return self.conv(self.pad(x))

class ResidualBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c1, self.n1 = ConvLayer(c, c, 3), nn.InstanceNorm2d(c, affine=True)
        self.c2, self.n2 = ConvLayer(c, c, 3), nn.InstanceNorm2d(c, affine=True)
    def forward(self, x): return self.n2(self.c2(torch.relu(self.n1(self.c1(x))))) + x

class TransformerNet(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.down = nn.Sequential(ConvLayer(1, c, 3), nn.InstanceNorm2d(c, affine=True), nn.ReLU(), ConvLayer(c, c, 3, 2), nn.InstanceNorm2d(c, affine=True), nn.ReLU())
        self.res = ResidualBlock(c)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), ConvLayer(c, c, 3), nn.InstanceNorm2d(c, affine=True), nn.ReLU(), ConvLayer(c, 1, 3))
    def forward(self, x): return torch.sigmoid(self.up(self.res(self.down(x))))

class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.s1 = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU())
        self.s2 = nn.Sequential(nn.Conv2d(16, 24, 3, padding=1), nn.ReLU())
        for m in self.modules():
            if isinstance(m, nn.Conv2d): nn.init.orthogonal_(m.weight, 1.5); nn.init.zeros_(m.bias)
        for p in self.parameters(): p.requires_grad = False
    def forward(self, x):
        a = self.s1(x); return a, self.s2(a)

def gram(y):
    b, c, h, w = y.size()
    f = y.view(b, c, h * w)
    return f.bmm(f.transpose(1, 2)) / (c * h * w)

vgg, net = Features(), TransformerNet()
opt = Adam(net.parameters(), 3e-3)
mse = nn.MSELoss()
gram_style = [gram(f) for f in vgg(style)]
first = None
for it in range(150):
    x = x_all[torch.randint(0, 1500, (12,))]
    opt.zero_grad()
    y = net(x)
    fy, fx = vgg(y), vgg(x)
    content = mse(fy[1], fx[1])
    sty = sum(mse(gram(a), g[:1].expand(len(x), -1, -1)) for a, g in zip(fy, gram_style))
    tv = (y[..., 1:] - y[..., :-1]).abs().mean() + (y[..., 1:, :] - y[..., :-1, :]).abs().mean()
    loss = content + 6000. * sty + .01 * tv
    loss.backward(); opt.step()
    if first is None: first = (content.item(), sty.item())
    if it % 50 == 0: print(it, round(content.item(), 4), round(sty.item(), 6), round(tv.item(), 4))
with torch.no_grad():
    x = x_all[1500:1700]; y = net(x)
    fy, fx = vgg(y), vgg(x)
    s = lambda f: sum(mse(gram(a), g.expand(len(x), -1, -1)) for a, g in zip(f, gram_style)).item()
    print(f'new digits: style distance of the inputs {s(fx):.5f}, of the outputs {s(fy):.5f}; content distance {first[0]:.3f} -> {mse(fy[1], fx[1]).item():.3f}')
