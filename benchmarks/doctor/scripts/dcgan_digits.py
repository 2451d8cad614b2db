#= parameter_unreached
# own (common; cf. discussion in https://github.com/speechbrain/speechbrain/issues/1492) the generator step scores the detached fake batch, so the generator has no gradient and stays at its initial weights; right diagnosis: generator never updated because of detach.
import torch, torch.nn as nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
real = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
netG = nn.Sequential(nn.Linear(10, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 64), nn.Tanh())
netD = nn.Sequential(nn.Linear(64, 96), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(96, 1))
criterion = nn.BCEWithLogitsLoss()
optD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
for i in range(600):
    netD.zero_grad()
    data = real[torch.randint(0, len(real), (96,))]
    errD_real = criterion(netD(data), torch.ones(96, 1) * 0.9)
    errD_real.backward()
    fake = netG(torch.randn(96, 10))
    errD_fake = criterion(netD(fake.detach()), torch.zeros(96, 1))
    errD_fake.backward()
    optD.step()
    netG.zero_grad()
    errG = criterion(netD(fake), torch.ones(96, 1))  #@ errG = criterion(netD(fake.detach()), torch.ones(96, 1))
    errG.backward()
    optG.step()
netG.eval()
with torch.no_grad():
    f = netG(torch.randn(800, 10))
    e = 2 * torch.cdist(f, real).mean() - torch.cdist(f, f).mean() - torch.cdist(real, real).mean()
print("energy distance %.3f" % e.item())
