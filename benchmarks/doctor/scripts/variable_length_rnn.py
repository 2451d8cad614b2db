#= attends_to_padding
# remembered: Stack Overflow "LSTM with variable length input, pytorch, output[:, -1]": the sequences are padded at the end and the state of the last (padding) step is classified, not that of the last real step; a right diagnosis says pack the sequences or take the step by length.
import torch
import torch.nn as nn

torch.manual_seed(3)
MAX_LEN = 80


def make_set(n):
    """ class = the order in which the two markers appear """
    seqs, labels = [], []
    for _ in range(n):
        L = int(torch.randint(4, 13, (1,)))
        s = 0.3 * torch.randn(L, 3)
        i, j = sorted(torch.randperm(L)[:2].tolist())
        c = int(torch.randint(0, 2, (1,)))
        s[i, c] += 2.0
        s[j, 1 - c] += 2.0
        seqs.append(s)
        labels.append(c)
    lengths = torch.tensor([len(s) for s in seqs])
    batch = torch.zeros(n, MAX_LEN, 3)
    for i, s in enumerate(seqs):
        batch[i, :len(s)] = s
    return batch, lengths, torch.tensor(labels)


class RNNClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(3, 32, batch_first=True)
        self.fc = nn.Linear(32, 2)

    def forward(self, x, lengths):
        out, _ = self.rnn(x)
        last = out[torch.arange(len(x)), lengths - 1]  #@ last = out[:, -1]
        return self.fc(last)


x_tr, l_tr, y_tr = make_set(1000)
x_te, l_te, y_te = make_set(300)

net = RNNClassifier()
optim = torch.optim.Adam(net.parameters(), lr=3e-3)
crit = nn.CrossEntropyLoss()
for epoch in range(15):
    for b in torch.randperm(len(y_tr)).split(32):
        loss = crit(net(x_tr[b], l_tr[b]), y_tr[b])
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optim.step()
    with torch.no_grad():
        acc = (net(x_te, l_te).argmax(1) == y_te).float().mean().item()
    if epoch % 3 == 2:
        print("epoch %d loss %.4f accuracy %.4f" % (epoch + 1, loss.item(), acc))
