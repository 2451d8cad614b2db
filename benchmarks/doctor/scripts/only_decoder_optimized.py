#= not_in_optimizer
"""Reverse a row of digits: GRU encoder, GRU decoder, two optimizers' worth of parameters."""
import torch
from torch import nn

VOCAB, LENGTH, START = 9, 4, 8


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, source):
        return self.gru(self.embedding(source))[1]


class Decoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, VOCAB)

    def forward(self, given, state):
        output, state = self.gru(self.embedding(given), state)
        return self.out(output)


torch.manual_seed(0)
encoder, decoder = Encoder(48), Decoder(48)
parameters = list(encoder.parameters()) + list(decoder.parameters())  #@ parameters = decoder.parameters()
optimizer = torch.optim.Adam(parameters, lr=5e-3)
criterion = nn.CrossEntropyLoss()
for iteration in range(1, 501):
    source = torch.randint(0, 8, (48, LENGTH))
    target = source.flip(1)
    given = torch.cat([torch.full((48, 1), START), target[:, :-1]], 1)
    optimizer.zero_grad()
    logits = decoder(given, encoder(source))
    loss = criterion(logits.reshape(-1, VOCAB), target.reshape(-1))
    loss.backward()
    optimizer.step()
    if iteration % 100 == 0:
        print(iteration, loss.item(), (logits.argmax(-1) == target).float().mean().item())
