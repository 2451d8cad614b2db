#= parameter_unreached
"""Denoising of short signals with an encoder and a decoder."""
import math

import torch
from torch import nn


class Denoiser(nn.Module):
    def __init__(self, length=48, code=6):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(length, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, length))

    def forward(self, noisy):
        z = self.encoder(noisy)  #@ z = self.encoder(noisy).detach()
        return self.decoder(z)


def signals(n):
    t = torch.linspace(0, 1, 48)
    f, phase, height = 1 + 3 * torch.rand(n, 1), 2 * math.pi * torch.rand(n, 1), 0.5 + torch.rand(n, 1)
    return height * torch.sin(2 * math.pi * f * t + phase)


torch.manual_seed(0)
clean, clean_test = signals(1500), signals(300)
noisy_test = clean_test + 0.3 * torch.randn_like(clean_test)
denoiser = Denoiser()
opt = torch.optim.Adam(denoiser.parameters(), lr=2e-3)
for epoch in range(20):
    for part in torch.randperm(1500).split(50):
        loss = nn.functional.mse_loss(denoiser(clean[part] + 0.3 * torch.randn(len(part), 48)), clean[part])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, loss.item(), nn.functional.mse_loss(denoiser(noisy_test), clean_test).item())
