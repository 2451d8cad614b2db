# healthy: GAN with two optimizers, several critic steps, the generator's gradients in the discriminator are cleared at the start of the next critic step
import torch, torch.nn as nn
import torch.nn.functional as F
torch.manual_seed(0)
G = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))
D = nn.Sequential(nn.utils.spectral_norm(nn.Linear(1, 32)), nn.LeakyReLU(0.2), nn.utils.spectral_norm(nn.Linear(32, 32)), nn.LeakyReLU(0.2), nn.Linear(32, 1))
g_opt = torch.optim.Adam(G.parameters(), 2e-3, betas=(0.0, 0.9))
d_opt = torch.optim.Adam(D.parameters(), 4e-3, betas=(0.0, 0.9))
real = lambda n: 1.5 + 0.7 * torch.randn(n, 1)
for it in range(300):
    d_opt.zero_grad()
    d_loss = F.relu(1 - D(real(64))).mean() + F.relu(1 + D(G(torch.randn(64, 2)).detach())).mean()
    d_loss.backward(); d_opt.step()
    if it % 2 == 0:
        g_opt.zero_grad()
        (-D(G(torch.randn(64, 2))).mean()).backward()
        g_opt.step()
with torch.no_grad():
    s = G(torch.randn(2000, 2))
print("generated mean %.2f std %.2f (data 1.50, 0.70)" % (s.mean(), s.std()))
