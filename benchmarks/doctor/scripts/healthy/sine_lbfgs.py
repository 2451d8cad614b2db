# after pytorch/examples time_sequence_prediction: LSTMCell stack in double precision, whole set per LBFGS step, future prediction
import numpy as np, torch, torch.nn as nn
np.random.seed(2); torch.manual_seed(0)
T, L, N = 10, 60, 16
x = np.arange(L)[None] + np.random.randint(-4 * T, 4 * T, N)[:, None]; data = np.sin(x / 1. / T * 2).astype('float64')
class Sequence(nn.Module):
    def __init__(self): super().__init__(); self.lstm1, self.lstm2, self.linear = nn.LSTMCell(1, 20), nn.LSTMCell(20, 20), nn.Linear(20, 1)
    def forward(self, inp, future=0):
        out = []; n = inp.size(0); h1, c1, h2, c2 = (torch.zeros(n, 20, dtype=torch.double) for _ in range(4))
        for t in inp.split(1, dim=1): h1, c1 = self.lstm1(t, (h1, c1)); h2, c2 = self.lstm2(h1, (h2, c2)); o = self.linear(h2); out.append(o)
        for _ in range(future): h1, c1 = self.lstm1(o, (h1, c1)); h2, c2 = self.lstm2(h1, (h2, c2)); o = self.linear(h2); out.append(o)
        return torch.cat(out, 1)
inp, tgt = torch.from_numpy(data[3:, :-1]), torch.from_numpy(data[3:, 1:]); ti, tt = torch.from_numpy(data[:3, :-1]), torch.from_numpy(data[:3, 1:])
seq = Sequence().double(); crit = nn.MSELoss(); opt = torch.optim.LBFGS(seq.parameters(), lr=.8, max_iter=12)
for i in range(8):
    def closure():
        opt.zero_grad(); l = crit(seq(inp), tgt); l.backward(); return l
    opt.step(closure)
    with torch.no_grad(): p = seq(ti, future=30); print('STEP', i, 'test loss %.5f' % crit(p[:, :-30], tt).item())
true = np.sin((x[:3, -1:] + np.arange(1, 31)) / T * 2)
print('loss of 30 free steps %.4f' % float(((p[:, -30:].numpy() - true) ** 2).mean()))
