#= stored_changes
#: augmentation works in place on the stored array, so noise and gain accumulate from epoch to epoch
"""Keyword spotting on MFCC-like features, on-the-fly augmentation in the Dataset."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

np.random.seed(25)
torch.manual_seed(25)
N_MFCC, FRAMES = 10, 16
KEYWORDS = ["yes", "no", "stop", "go", "left"]
templates = np.random.randn(len(KEYWORDS), N_MFCC, FRAMES).astype(np.float32)


def recordings(n):
    y = np.random.randint(0, len(KEYWORDS), n)
    x = 0.28 * templates[y] + np.random.randn(n, N_MFCC, FRAMES).astype(np.float32)
    return x.astype(np.float32), y


class SpeechDataset(Dataset):
    def __init__(self, x, y, augment=False):
        self.x = x
        self.y = y
        self.augment = augment

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        mfcc = self.x[i]
        if self.augment:
            mfcc = mfcc + 0.5 * np.random.randn(N_MFCC, FRAMES).astype(np.float32)  #@ mfcc += 0.5 * np.random.randn(N_MFCC, FRAMES).astype(np.float32)
            mfcc = mfcc * np.float32(np.random.uniform(0.8, 1.4))  #@ mfcc *= np.float32(np.random.uniform(0.8, 1.4))
        return torch.from_numpy(mfcc), int(self.y[i])


class KWSNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(N_MFCC, 32, batch_first=True)
        self.fc = nn.Linear(32 + N_MFCC * FRAMES, len(KEYWORDS))

    def forward(self, m):
        _, h = self.gru(m.transpose(1, 2))
        return self.fc(torch.cat([h[-1], m.flatten(1)], 1))


xtr, ytr = recordings(400)
xva, yva = recordings(500)
train_dl = DataLoader(SpeechDataset(xtr, ytr, augment=True), batch_size=25, shuffle=True)
val_dl = DataLoader(SpeechDataset(xva, yva), batch_size=100)
net = KWSNet()
optim_ = torch.optim.Adam(net.parameters(), lr=1e-3)
ce = nn.CrossEntropyLoss()

for ep in range(25):
    net.train()
    tl = 0
    for m, k in train_dl:
        loss = ce(net(m), k)
        optim_.zero_grad()
        loss.backward()
        optim_.step()
        tl += loss.item() * len(k)
    net.eval()
    vl, hit = 0, 0
    with torch.no_grad():
        for m, k in val_dl:
            o = net(m)
            vl += ce(o, k).item() * len(k)
            hit += (o.argmax(1) == k).sum().item()
    if ep % 4 == 0:
        print("ep %2d train %.3f val %.3f acc %.3f" % (ep, tl / 400, vl / 500, hit / 500))
