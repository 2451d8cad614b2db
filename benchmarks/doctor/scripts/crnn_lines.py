#= samples_mixed
#: https://discuss.pytorch.org/t/lstm-change-batch-first-true-loss-does-not-decrease/62364 the conv features are permuted to (W, N, C) for the recurrent layer but batch_first=True was set, so the LSTM runs along the batch; a right diagnosis names the time/batch axis mix-up.
import torch, torch.nn as nn, torch.nn.functional as F, numpy as np
from sklearn.datasets import load_digits
torch.manual_seed(0); rng = np.random.RandomState(0)
D, L = load_digits(return_X_y=True); D = (D / 16.).reshape(-1, 8, 8).astype("float32")
half = len(D) // 2
def lines(n, lo, hi, w=4):
    i = rng.randint(lo, hi, (n, w)); im = np.concatenate([D[i[:, k]] for k in range(w)], 2)
    # each slot asks for the sum (mod 10) of the digit and the one on its left
    lab = L[i]; tgt = lab.copy(); tgt[:, 1:] = (lab[:, 1:] % 2) * 5 + (lab[:, :-1] % 5)
    return torch.tensor(im).unsqueeze(1), torch.tensor(tgt)
Xtr, Ytr = lines(2500, 0, half); Xte, Yte = lines(500, half, len(D))
class BidirectionalLSTM(nn.Module):
    def __init__(self, nIn, nHidden, nOut):
        super().__init__()
        self.rnn = nn.LSTM(nIn, nHidden, bidirectional=True)  #@ self.rnn = nn.LSTM(nIn, nHidden, bidirectional=True, batch_first=True)
        self.embedding = nn.Linear(nHidden * 2, nOut)
    def forward(self, x):
        recurrent, _ = self.rnn(x)
        T, b, h = recurrent.size()
        return self.embedding(recurrent.reshape(T * b, h)).view(T, b, -1)
class CRNN(nn.Module):
    def __init__(self, nclass=10):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 48, 2, 2), nn.ReLU())
        self.rnn = BidirectionalLSTM(48, 48, nclass)
    def forward(self, x):
        conv = self.cnn(x)
        assert conv.size(2) == 1
        return self.rnn(conv.squeeze(2).permute(2, 0, 1))          # [w, b, c]
net = CRNN(); opt = torch.optim.RMSprop(net.parameters(), lr=2e-3)
for ep in range(8):
    net.train(); tot = 0
    for b in torch.randperm(2500).split(100):
        out = net(Xtr[b]); loss = F.cross_entropy(out.permute(1, 2, 0), Ytr[b])
        net.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    print(f"[{ep}] loss {tot / 25:.4f}")
net.eval()
with torch.no_grad():
    hit = torch.cat([net(c).argmax(-1).T == t for c, t in zip(Xte.split(50), Yte.split(50))])
print(f"slot accuracy {hit.float().mean():.3f} later slots {hit[:, 1:].float().mean():.3f}")
