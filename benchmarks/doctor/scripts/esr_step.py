#= update_missing, not_in_optimizer
#: https://github.com/Lornatang/ESRGAN-PyTorch/issues/39 - after the discriminator's backward the generator's optimizer is stepped again, so the discriminator keeps its start weights (and the generator is moved by stale state); right: step d_optimizer.
import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(5)
data = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1


class Generator(nn.Module):
    def __init__(self, z=12):
        super().__init__()
        self.z = z
        self.net = nn.Sequential(nn.Linear(z, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 64), nn.Tanh())

    def forward(self, n):
        return self.net(torch.randn(n, self.z))


generator = Generator()
discriminator = nn.Sequential(nn.Linear(64, 96), nn.LeakyReLU(.2), nn.Linear(96, 48), nn.LeakyReLU(.2), nn.Linear(48, 1))
g_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(.5, .999))
d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(.5, .999))
adversarial = nn.BCEWithLogitsLoss()

for epoch in range(22):
    for idx in torch.randperm(1792).split(64):
        real, ones, zeros = data[idx], torch.ones(64, 1), torch.zeros(64, 1)
        for p in discriminator.parameters():
            p.requires_grad = False
        g_optimizer.zero_grad(set_to_none=True)
        sr = generator(64)
        g_loss = adversarial(discriminator(sr), ones)
        g_loss.backward()
        g_optimizer.step()
        for p in discriminator.parameters():
            p.requires_grad = True
        d_optimizer.zero_grad(set_to_none=True)
        d_loss = adversarial(discriminator(real), ones)
        d_loss = d_loss + adversarial(discriminator(sr.detach()), zeros)
        d_loss.backward()
        d_optimizer.step()  #@ g_optimizer.step()
    if epoch % 7 == 0:
        print(f'epoch {epoch} g {g_loss.item():.3f} d {d_loss.item():.3f}')
generator.eval()
with torch.no_grad():
    s = generator(500)
print(f'distance of samples to the nearest digit {torch.cdist(s, data).min(1).values.mean():.3f}, pixel std {s.std(0).mean():.3f} (data {data.std(0).mean():.3f})')
