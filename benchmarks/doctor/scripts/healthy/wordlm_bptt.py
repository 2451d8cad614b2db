import argparse, math
import numpy as np, torch, torch.nn as nn
ap = argparse.ArgumentParser()
ap.add_argument("--bptt", type=int, default=20); ap.add_argument("--lr", type=float, default=20.0)
ap.add_argument("--clip", type=float, default=0.25); ap.add_argument("--epochs", type=int, default=8)
ap.add_argument("--nhid", type=int, default=64); ap.add_argument("--dropout", type=float, default=0.2)
args = ap.parse_args([])
torch.manual_seed(1111)

# corpus: second-order Markov word stream over 40 words
rng = np.random.default_rng(0); ntok = 40
trans = rng.dirichlet(np.full(ntok, 0.05), size=(ntok,))
def stream(n, s):
    r = np.random.default_rng(s); w = [0]; c = trans.cumsum(1)
    for _ in range(n - 1):
        w.append(min(int(np.searchsorted(c[w[-1]], r.random())), ntok - 1))
    return torch.tensor(w)

def batchify(d, bsz):
    nb = d.size(0) // bsz
    return d.narrow(0, 0, nb * bsz).view(bsz, -1).t().contiguous()

train_data, val_data, test_data = batchify(stream(16000, 1), 20), batchify(stream(3000, 2), 10), batchify(stream(3000, 3), 10)

class RNNModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(args.dropout)
        self.encoder = nn.Embedding(ntok, args.nhid)
        self.rnn = nn.LSTM(args.nhid, args.nhid, 1)
        self.decoder = nn.Linear(args.nhid, ntok)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1); nn.init.zeros_(self.decoder.bias)
    def forward(self, x, hidden):
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, ntok), hidden
    def init_hidden(self, bsz):
        w = next(self.parameters())
        return w.new_zeros(1, bsz, args.nhid), w.new_zeros(1, bsz, args.nhid)

model, criterion = RNNModel(), nn.CrossEntropyLoss()

def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)

def get_batch(source, i):
    L = min(args.bptt, len(source) - 1 - i)
    return source[i:i + L], source[i + 1:i + 1 + L].view(-1)

def evaluate(src):
    model.eval(); total = 0.0; hidden = model.init_hidden(10)
    with torch.no_grad():
        for i in range(0, src.size(0) - 1, args.bptt):
            data, targets = get_batch(src, i)
            output, hidden = model(data, hidden)
            total += len(data) * criterion(output, targets).item()
    return total / (len(src) - 1)

lr, best = args.lr, None
for epoch in range(args.epochs):
    model.train(); hidden = model.init_hidden(20)
    for i in range(0, train_data.size(0) - 1, args.bptt):
        data, targets = get_batch(train_data, i)
        model.zero_grad(); hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets); loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
    vl = evaluate(val_data)
    if best is None or vl < best:
        best = vl; state = {k: v.clone() for k, v in model.state_dict().items()}
    else:
        lr /= 4.0
model.load_state_dict(state)
print(f"test ppl {math.exp(evaluate(test_data)):.2f} of {ntok} words")
