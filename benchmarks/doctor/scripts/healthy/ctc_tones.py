# CTC on synthetic spectrograms: conv front-end (halves the time axis), BiGRU, blank 0, greedy decoding, token error rate
import torch, torch.nn as nn, torch.nn.functional as F, random
random.seed(1); torch.manual_seed(1)
BINS, VOC = 20, 7                      # tokens 1..6 are tones
def utt():
    toks = [random.randint(1, 6) for _ in range(random.randint(2, 5))]; fr = []
    for t in toks:
        fr += [torch.zeros(BINS)] * random.randint(2, 4)
        for _ in range(random.randint(4, 8)):
            v = torch.zeros(BINS); v[t * 3 - 1: t * 3 + 1] = 1.0; fr.append(v)
    x = torch.stack(fr + [torch.zeros(BINS)] * 2); return x + .3 * torch.randn_like(x), torch.tensor(toks)
def collate(b):
    xl, yl = torch.tensor([len(x) for x, _ in b]), torch.tensor([len(y) for _, y in b])
    return nn.utils.rnn.pad_sequence([x for x, _ in b], True), torch.cat([y for _, y in b]), xl, yl
class AM(nn.Module):
    def __init__(s, h=32):
        super().__init__(); s.conv, s.bn = nn.Conv1d(BINS, 32, 5, stride=2, padding=2), nn.BatchNorm1d(32)
        s.rnn, s.fc = nn.GRU(32, h, bidirectional=True, batch_first=True), nn.Linear(2 * h, VOC)
    def forward(s, x, xl):
        h = F.hardtanh(s.bn(s.conv(x.transpose(1, 2))), 0, 20).transpose(1, 2); ol = (xl - 1) // 2 + 1
        p = nn.utils.rnn.pack_padded_sequence(h, ol, True, enforce_sorted=False); o, _ = nn.utils.rnn.pad_packed_sequence(s.rnn(p)[0], True)
        return s.fc(o).log_softmax(-1).transpose(0, 1), ol
train, test = [utt() for _ in range(500)], [utt() for _ in range(100)]
net = AM(); opt = torch.optim.AdamW(net.parameters(), 5e-3); ctc = nn.CTCLoss(blank=0, zero_infinity=True)
def ed(a, b):
    d = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        p, d[0] = d[0], i
        for j, y in enumerate(b, 1): p, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, p + (x != y))
    return d[-1]
E, spe = 10, 20; sch = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, epochs=E, steps_per_epoch=spe)
for ep in range(E):
    net.train(); random.shuffle(train)
    for i in range(0, 500, 25):
        x, y, xl, yl = collate(train[i:i + 25]); lp, ol = net(x, xl); loss = ctc(lp, y, ol, yl)
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 5.); opt.step(); sch.step()
    if ep % 3 == 0: print(ep, round(loss.item(), 3))
net.eval(); err = tot = 0
with torch.no_grad():
    x, y, xl, yl = collate(test); lp, ol = net(x, xl); best = lp.argmax(-1).T
    for k, t in enumerate(y.split(yl.tolist())):
        s = best[k, :ol[k]]; hyp = [int(v) for v in torch.unique_consecutive(s) if v != 0]; err += ed(hyp, t.tolist()); tot += len(t)
print(f"token error rate {err / tot:.3f}")
