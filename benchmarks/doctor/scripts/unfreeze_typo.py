#= freeze_without_effect
#: typo require_grad (no s): the last encoder block stays frozen although it should be fine-tuned
"""Feature extractor from an autoencoder, then fine-tune last block plus head on another domain."""
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(21)


def shapes(n, invert=False):
    """16x16 images: horizontal bar, vertical bar, cross, square outline."""
    img = torch.zeros(n, 1, 16, 16)
    lab = torch.randint(0, 4, (n,))
    for k in range(n):
        r, c = torch.randint(3, 12, (2,)).tolist()
        if lab[k] in (0, 2):
            img[k, 0, r, max(c - 4, 0):c + 5] = 1
        if lab[k] in (1, 2):
            img[k, 0, max(r - 4, 0):r + 5, c] = 1
        if lab[k] == 3:
            img[k, 0, r - 3:r + 4, c - 3:c + 4] = 1
            img[k, 0, r - 2:r + 3, c - 2:c + 3] = 0
    img = img + 0.3 * torch.randn_like(img)
    return (1 - img if invert else img), lab


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Flatten(), nn.Linear(256, 12), nn.ReLU())

    def forward(self, x):
        return self.layer3(self.layer2(self.layer1(x)))


encoder = Encoder()
decoder = nn.Linear(12, 256)
pre = torch.optim.Adam(list(encoder.parameters()) + list(decoder.parameters()), lr=2e-3)
xu, _ = shapes(800)
for step in range(120):
    xb = xu[torch.randint(0, 800, (64,))]
    loss = F.mse_loss(decoder(encoder(xb)), xb.flatten(1))
    pre.zero_grad()
    loss.backward()
    pre.step()
print("reconstruction loss", loss.item())

for p in encoder.parameters():
    p.requires_grad = False
for p in encoder.layer3.parameters():
    p.requires_grad = True  #@ p.require_grad = True

classifier = nn.Linear(12, 4)
params = [{"params": encoder.layer3.parameters(), "lr": 2e-3}, {"params": classifier.parameters(), "lr": 5e-3}]
optimizer = torch.optim.Adam(params)
xtr, ytr = shapes(1000)
xva, yva = shapes(500)
for epoch in range(15):
    for b in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        loss = F.cross_entropy(classifier(encoder(xtr[b])), ytr[b])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (classifier(encoder(xva)).argmax(1) == yva).float().mean().item()
    print("epoch", epoch, "loss %.3f" % loss.item(), "val acc %.3f" % acc)
