"""Truncated backpropagation: consecutive pieces of a text, the state is carried on and detached."""
import torch
from torch import nn

torch.manual_seed(0)
text = ("one two three four five six seven eight nine ten " * 120)
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])
rows, bptt = 16, 20
data = data[: len(data) // rows * rows].view(rows, -1)


class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(len(chars), 16)
        self.rnn = nn.LSTM(16, 48, batch_first=True)
        self.fc = nn.Linear(48, len(chars))

    def forward(self, x, state=None):
        out, state = self.rnn(self.emb(x), state)
        return self.fc(out), state


model = CharRNN()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    state = None
    for at in range(0, data.size(1) - bptt - 1, bptt):
        x, y = data[:, at : at + bptt], data[:, at + 1 : at + bptt + 1]
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state)
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(epoch, loss.item())
