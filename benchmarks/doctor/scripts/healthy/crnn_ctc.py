# healthy: https://github.com/meijieru/crnn.pytorch: strips of 2 to 4 digits, conv + bidirectional LSTM + CTC, greedy decoding, sequence accuracy; nothing is wrong.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0); rng = np.random.default_rng(0)
D = load_digits()
pool = {'train': np.arange(1300), 'test': np.arange(1300, 1797)}
W = 40

def make(split, n):
    imgs = np.zeros((n, 1, 8, W), np.float32); texts = []
    for i in range(n):
        k = rng.integers(2, 5); x = rng.integers(0, 4); t = []
        for _ in range(k):
            j = rng.choice(pool[split])
            imgs[i, 0, :, x:x + 8] = D.images[j] / 16
            x += 8 + rng.integers(0, 2)
            t.append(int(D.target[j]))
        texts.append(t)
    return torch.from_numpy(imgs), texts

class CRNN(nn.Module):
    def __init__(self, nh=48):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d((4, 1)))
        self.rnn = nn.LSTM(48, nh, bidirectional=True)
        self.out = nn.Linear(2 * nh, 11)
    def forward(self, x):
        f = self.cnn(x).squeeze(2).permute(2, 0, 1)
        return self.out(self.rnn(f)[0]).log_softmax(2)

def encode(texts):
    return torch.tensor([c + 1 for t in texts for c in t]), torch.tensor([len(t) for t in texts])

def decode(logp):
    res = []
    for seq in logp.argmax(2).T.tolist():
        out, prev = [], 0
        for s in seq:
            if s != 0 and s != prev: out.append(s - 1)
            prev = s
        res.append(out)
    return res

net = CRNN(); crit = nn.CTCLoss(blank=0, zero_infinity=True)
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
imgs, texts = make('train', 1600)
timgs, ttexts = make('test', 300)
for epoch in range(12):
    net.train(); tot = 0
    for b in torch.randperm(1600).split(64):
        tgt, tl = encode([texts[i] for i in b])
        preds = net(imgs[b])
        il = torch.full((len(b),), preds.size(0))
        loss = crit(preds, tgt, il, tl)
        opt.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.)
        opt.step(); tot += loss.item()
    if epoch % 3 == 2: print(epoch, round(tot / 25, 3))
net.eval()
with torch.no_grad():
    p = decode(net(timgs))
print('exact sequence accuracy', sum(a == b for a, b in zip(p, ttexts)) / 300)
