# healthy: https://github.com/DmitryUlyanov/deep-image-prior: one noisy picture, fixed random input jittered each step, few steps on purpose, running average of outputs; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
torch.manual_seed(0)
S = 32
t = torch.linspace(-1, 1, S)
Y, X = torch.meshgrid(t, t, indexing='ij')
clean = (.5 + .3 * ((X ** 2 + Y ** 2) < .45).float() - .25 * ((X - .4).abs() < .2).float() + .1 * Y)[None, None]
noisy = (clean + .12 * torch.randn_like(clean)).clamp(0, 1)
psnr = lambda a: (-10 * torch.log10(F.mse_loss(a, clean))).item()

def unit(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, padding_mode='reflect'), nn.BatchNorm2d(o), nn.LeakyReLU(.2))

class Skip(nn.Module):
    def __init__(self, c=24):
        super().__init__()
        self.d1, self.d2 = unit(8, c, 2), unit(c, c, 2)
        self.s0, self.s1 = unit(8, 4), unit(c, 4)
        self.u2, self.u1 = unit(c + 4, c), unit(c + 4, c)
        self.out = nn.Conv2d(c, 1, 1)
    def forward(self, z):
        a = self.d1(z); b = self.d2(a)
        up = lambda q: F.interpolate(q, scale_factor=2, mode='bilinear', align_corners=False)
        h = self.u2(torch.cat([up(b), self.s1(a)], 1))
        h = self.u1(torch.cat([up(h), self.s0(z)], 1))
        return torch.sigmoid(self.out(h))

net = Skip()
z_saved = torch.rand(1, 8, S, S) * .1
opt = torch.optim.Adam(net.parameters(), lr=.01)
out_avg = None
for i in range(350):
    opt.zero_grad()
    out = net(z_saved + torch.randn_like(z_saved) / 30.)
    out_avg = out.detach() if out_avg is None else out_avg * .97 + out.detach() * .03
    loss = F.mse_loss(out, noisy)
    loss.backward()
    opt.step()
    if i % 100 == 0: print(f'iteration {i} loss {loss.item():.5f} PSNR to the clean picture {psnr(out.detach()):.2f}')
print(f'noisy {psnr(noisy):.2f} dB, restored {psnr(out_avg):.2f} dB')
