"""Word-level language model with tied input and output embedding, hidden state carried over and detached."""
import math
import torch
import torch.nn as nn

torch.manual_seed(6)
V, B, T = 30, 10, 20
trans = torch.softmax(3 * torch.randn(V, V), dim=1)


def markov(n):
    seq = [0]
    for _ in range(n):
        seq.append(int(torch.multinomial(trans[seq[-1]], 1)))
    return torch.tensor(seq)


def batchify(data):
    n = len(data) // B
    return data[:n * B].view(B, n).t().contiguous()


train, valid = batchify(markov(8000)), batchify(markov(2000))


class RNNModel(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.encoder = nn.Embedding(V, d)
        self.rnn = nn.GRU(d, d)
        self.decoder = nn.Linear(d, V)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)

    def forward(self, x, h):
        out, h = self.rnn(self.encoder(x), h)
        return self.decoder(out), h


model = RNNModel()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
ce = nn.CrossEntropyLoss()


def run(data, train_mode):
    model.train(train_mode)
    h, total, k = None, 0.0, 0
    for i in range(0, len(data) - 1, T):
        n = min(T, len(data) - 1 - i)
        if h is not None:
            h = h.detach()
        out, h = model(data[i:i + n], h)
        loss = ce(out.reshape(-1, V), data[i + 1:i + 1 + n].reshape(-1))
        if train_mode:
            opt.zero_grad()
            loss.backward()
            opt.step()
        total, k = total + loss.item() * n, k + n
    return total / k


for epoch in range(8):
    tr = run(train, True)
    with torch.no_grad():
        va = run(valid, False)
    print(f"epoch {epoch} train ppl {math.exp(tr):.2f} valid ppl {math.exp(va):.2f}")
