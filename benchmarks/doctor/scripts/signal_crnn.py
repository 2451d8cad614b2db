#= samples_mixed
# https://discuss.pytorch.org/t/62364 "LSTM change batch_first=True, loss does not decrease" (crnn.pytorch): the features are (time, batch, channel) but the LSTM is told batch_first=True, so it recurs over the batch; a right diagnosis names the axes.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)


def make_batch(bs, T=24):
    """pulses of two kinds; the label of a step is the kind of the last pulse seen"""
    kind = torch.randint(0, 2, (bs, T))
    pulse = (torch.rand(bs, T) < 0.12)
    pulse[:, 0] = True
    sig = torch.where(pulse, kind.float() * 2 - 1, torch.zeros(bs, T))
    label = torch.zeros(bs, T, dtype=torch.long)
    cur = kind[:, 0]
    for t in range(T):
        cur = torch.where(pulse[:, t], kind[:, t], cur)
        label[:, t] = cur
    return sig.unsqueeze(1) + 0.1 * torch.randn(bs, 1, T), label


class CRNN(nn.Module):
    def __init__(self, nh=32):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv1d(1, 16, 1), nn.ReLU(), nn.Conv1d(16, 16, 1), nn.ReLU())
        self.rnn = nn.LSTM(16, nh)  #@ self.rnn = nn.LSTM(16, nh, batch_first=True)
        self.embedding = nn.Linear(nh, 2)

    def forward(self, x):
        conv = self.cnn(x)
        conv = conv.permute(2, 0, 1)  # [w, b, c]
        rec, _ = self.rnn(conv)
        T, b, h = rec.size()
        return self.embedding(rec.reshape(T * b, h)).view(T, b, -1)


crnn = CRNN()
optimizer = torch.optim.Adam(crnn.parameters(), lr=5e-3)
for it in range(1, 401):
    x, y = make_batch(32)
    logits = crnn(x)
    loss = F.cross_entropy(logits.reshape(-1, 2), y.t().reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(crnn.parameters(), 1.0)
    optimizer.step()
    if it % 80 == 0:
        with torch.no_grad():
            xv, yv = make_batch(128)
            acc = (crnn(xv).argmax(-1) == yv.t()).float().mean().item()
        print(f"iter {it}: loss {loss.item():.4f}, step accuracy {acc:.3f}")
