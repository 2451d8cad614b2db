#= parameter_unreached
# PyTorch forum "DCGAN: generator does not learn, discriminator loss goes to zero": the fake batch is detached in the generator step too, so no gradient reaches the generator; a right diagnosis says do not detach when updating G.
import torch
import torch.nn as nn

torch.manual_seed(7)


def real_batch(n):
    return torch.randn(n, 2) * torch.tensor([0.5, 0.3]) + torch.tensor([2.0, -1.0])


G = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
criterion = nn.BCEWithLogitsLoss()
optimizerD = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-3)
optimizerG = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))

bs = 128
ones, zeros = torch.ones(bs, 1), torch.zeros(bs, 1)
for it in range(1, 2501):
    # (1) update D
    fake = G(torch.randn(bs, 4))
    optimizerD.zero_grad()
    errD = criterion(D(real_batch(bs)), ones) + criterion(D(fake.detach()), zeros)
    errD.backward()
    optimizerD.step()
    # (2) update G
    optimizerG.zero_grad()
    output = D(fake)  #@ output = D(fake.detach())
    errG = criterion(output, ones)
    errG.backward()
    optimizerG.step()
    if it % 500 == 0:
        with torch.no_grad():
            s = G(torch.randn(2000, 4))
        print(f"{it}: Loss_D {errD.item():.3f} Loss_G {errG.item():.3f} fake mean {[round(v, 2) for v in s.mean(0).tolist()]} std {[round(v, 2) for v in s.std(0).tolist()]}")
print("distance of the means: %.3f" % (s.mean(0) - torch.tensor([2.0, -1.0])).norm().item())
