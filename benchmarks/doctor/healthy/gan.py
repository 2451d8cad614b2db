"""A GAN on a ring of points: two optimizers in turn, losses that oscillate around a constant."""

import torch
import torch.nn.functional as F
from torch import nn


def real(count):
    angle = 2 * torch.pi * torch.rand(count)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(count, 2)


def main(seed=0):
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    for_generator = torch.optim.Adam(generator.parameters(), lr=0.004, betas=(0.5, 0.999))
    for_critic = torch.optim.Adam(critic.parameters(), lr=0.004, betas=(0.5, 0.999))
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    for _step in range(250):
        fake = generator(torch.randn(64, 4))
        loss = F.binary_cross_entropy_with_logits(critic(real(64)), ones)
        loss = loss + F.binary_cross_entropy_with_logits(critic(fake.detach()), zeros)
        for_critic.zero_grad()
        loss.backward()
        for_critic.step()
        fooling = F.binary_cross_entropy_with_logits(critic(fake), ones)
        for_generator.zero_grad()
        fooling.backward()
        for_generator.step()
    with torch.no_grad():
        return -(generator(torch.randn(500, 4)).norm(dim=1) - 1).abs().mean().item()


if __name__ == "__main__":
    print(main())
