#= data_changed_in_place
"""Keyword spotting on made-up spectrograms that are kept in memory; SpecAugment hides bands and stretches of time."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

WORDS, FREQ, TIME = 5, 20, 24
rng = np.random.RandomState(0)
templates = rng.randn(WORDS, FREQ, TIME).astype(np.float32)


def spectrograms(n):
    words = rng.randint(WORDS, size=n)
    return [torch.from_numpy(templates[w] * 0.5 + rng.randn(FREQ, TIME).astype(np.float32)) for w in words], words


class SpecAugment:
    def __init__(self, freq=4, time=5):
        self.freq, self.time = freq, time

    def __call__(self, spec):
        spec = spec.clone()  #@
        f = np.random.randint(0, FREQ - self.freq)
        t = np.random.randint(0, TIME - self.time)
        spec[f : f + self.freq, :] = 0
        spec[:, t : t + self.time] = 0
        return spec


class KeywordDataset(Dataset):
    def __init__(self, n, augment=None):
        self.cache, self.words = spectrograms(n)
        self.augment = augment

    def __len__(self):
        return len(self.cache)

    def __getitem__(self, i):
        spec = self.cache[i]
        if self.augment is not None:
            spec = self.augment(spec)
        return spec, self.words[i]


class KWS(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(FREQ, 32, 5, padding=2), nn.ReLU(), nn.Conv1d(32, 32, 5, padding=2), nn.ReLU())
        self.fc = nn.Linear(32 * TIME, WORDS)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


torch.manual_seed(0)
np.random.seed(0)
train_set, test_set = KeywordDataset(600, SpecAugment()), KeywordDataset(400)
model = KWS()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(25):
    model.train()
    seen = 0.0
    for spec, word in DataLoader(train_set, 30, shuffle=True):
        loss = nn.functional.cross_entropy(model(spec), word)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item()
    model.eval()
    with torch.no_grad():
        spec, word = next(iter(DataLoader(test_set, 400)))
        acc = (model(spec).argmax(1) == word).float().mean()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} train {seen / 20:.3f} test accuracy {acc:.3f}")
