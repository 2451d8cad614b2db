#= term_without_gradient
#: adversarial term of the generator gets fake.detach(), so only the weak L1 term trains it (image2reverb issue 37)
"""Conditional GAN: from an 8-number room descriptor to a 16-band decay curve (two possible decays per room)."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)


def make_rooms(n):
    desc = torch.rand(n, 8)
    kind = (torch.rand(n, 1) < 0.5).float()                  # hidden: dry or wet
    k = 0.8 + 2.0 * desc[:, :1] + 2.5 * kind
    t = torch.linspace(0, 1, 16)[None]
    return desc, torch.exp(-k * t) * 2 - 1 + 0.01 * torch.randn(n, 16)


class Generator(nn.Module):
    def __init__(self, noise=4):
        super().__init__()
        self.noise = noise
        self.net = nn.Sequential(nn.Linear(8 + noise, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64),
                                 nn.LeakyReLU(0.2), nn.Linear(64, 16))

    def forward(self, d):
        return self.net(torch.cat([d, torch.randn(len(d), self.noise)], 1))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(24, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
                                 nn.Linear(64, 1))

    def forward(self, s, d):
        return self.net(torch.cat([s, d], 1))


def spread(curves):
    return curves[:, 5].std().item()


class Reverb:
    def __init__(self, lambda_l1=0.05):
        self.g, self.d, self.lambda_l1 = Generator(), Discriminator(), lambda_l1
        self.opt_g = torch.optim.Adam(self.g.parameters(), lr=1e-3, betas=(0.5, 0.9))
        self.opt_d = torch.optim.Adam(self.d.parameters(), lr=1e-3, betas=(0.5, 0.9))

    def training_step(self, desc, real, optimizer_idx):
        fake = self.g(desc)
        if optimizer_idx == 0:
            pred = self.d(fake, desc)  #@ pred = self.d(fake.detach(), desc)
            loss = F.mse_loss(pred, torch.ones_like(pred)) + self.lambda_l1 * F.l1_loss(fake, real)
            self.opt_g.zero_grad()
            loss.backward()
            self.opt_g.step()
        else:
            p_real, p_fake = self.d(real, desc), self.d(fake.detach(), desc)
            loss = 0.5 * (F.mse_loss(p_real, torch.ones_like(p_real)) + F.mse_loss(p_fake, torch.zeros_like(p_fake)))
            self.opt_d.zero_grad()
            loss.backward()
            self.opt_d.step()
        return loss.item()


desc, spec = make_rooms(4096)
test_desc, test_spec = make_rooms(512)
model = Reverb()
for epoch in range(18):
    perm = torch.randperm(len(desc))
    for i in range(0, len(desc), 64):
        b = perm[i:i + 64]
        ld = model.training_step(desc[b], spec[b], 1)
        lg = model.training_step(desc[b], spec[b], 0)
    with torch.no_grad():
        fixed = torch.full((512, 8), 0.5)
        print(f"epoch {epoch} D {ld:.3f} G {lg:.3f} spread within one room {spread(model.g(fixed)):.3f}")
k = 0.8 + 1.0 + 2.5 * (torch.rand(512, 1) < 0.5).float()
print("spread of true curves", round(spread(torch.exp(-k * torch.linspace(0, 1, 16)[None]) * 2 - 1), 3))
