#= target_shift
"""Seq2seq: reverse a sequence, with teacher forcing."""
import random

import torch
import torch.nn as nn

torch.manual_seed(0)
random.seed(0)
SOS, VOCAB, LEN = 0, 20, 7


class Encoder(nn.Module):
    def __init__(self, hid):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 24)
        self.rnn = nn.GRU(24, hid, batch_first=True)

    def forward(self, src):
        return self.rnn(self.embedding(src))[1]


class Decoder(nn.Module):
    def __init__(self, hid):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 24)
        self.rnn = nn.GRU(24, hid, batch_first=True)
        self.fc_out = nn.Linear(hid, VOCAB)

    def forward(self, inp, hidden):
        out, hidden = self.rnn(self.embedding(inp), hidden)
        return self.fc_out(out), hidden


encoder, decoder = Encoder(64), Decoder(64)
enc_opt = torch.optim.Adam(encoder.parameters(), lr=3e-3)
dec_opt = torch.optim.Adam(decoder.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for it in range(250):
    src = torch.randint(1, VOCAB, (64, LEN))
    trg = src.flip(1)
    start = torch.full((64, 1), SOS)
    dec_in = torch.cat([start, trg[:, :-1]], dim=1)  #@ dec_in = trg
    logits, _ = decoder(dec_in, encoder(src))
    loss = criterion(logits.reshape(-1, VOCAB), trg.reshape(-1))
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    loss.backward()
    enc_opt.step()
    dec_opt.step()
    if it % 50 == 49:
        print(it, loss.item())
