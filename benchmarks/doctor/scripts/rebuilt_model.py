#= not_in_optimizer, foreign_in_optimizer, loss_detached
"""Which language does a surname come from: a recurrent network over characters (made-up surnames)."""
import math
import random
import string
import time

import torch
import torch.nn as nn

random.seed(7)
torch.manual_seed(7)
LETTERS = string.ascii_lowercase
SUFFIXES = {"slavic": ["ov", "ova", "sky", "enko"], "italian": ["ini", "elli", "etti", "ano"], "norse": ["sson", "sen", "dottir", "gaard"],
            "greek": ["poulos", "akis", "idis", "ou"]}
categories = list(SUFFIXES)


def surname(category):
    stem = "".join(random.choice("bcdfghklmnprstv") + random.choice("aeiou") for _ in range(random.randint(1, 3)))
    return stem + random.choice(SUFFIXES[category])


def to_tensor(line):
    out = torch.zeros(len(line), 1, len(LETTERS))
    for i, ch in enumerate(line):
        out[i, 0, LETTERS.index(ch)] = 1
    return out


class RNN(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__()
        self.n_hidden = n_hidden
        self.i2h = nn.Linear(n_in + n_hidden, n_hidden)
        self.i2o = nn.Linear(n_in + n_hidden, n_out)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, x, hidden):
        both = torch.cat((x, hidden), 1)
        return self.softmax(self.i2o(both)), torch.tanh(self.i2h(both))

    def init_hidden(self):
        return torch.zeros(1, self.n_hidden)


rnn = RNN(len(LETTERS), 64, len(categories))
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(rnn.parameters(), lr=0.02, momentum=0.5)


def train(category_tensor, line_tensor):
    hidden = rnn.init_hidden()
    optimizer.zero_grad()
    for i in range(line_tensor.size(0)):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(rnn.parameters(), 1.0)
    optimizer.step()
    return output, loss.item()


#+ rnn = RNN(len(LETTERS), 64, len(categories))
current, right, start = 0.0, 0, time.time()
for it in range(1, 2001):
    c = random.randrange(len(categories))
    out, loss = train(torch.tensor([c]), to_tensor(surname(categories[c])))
    current += loss
    right += out.argmax().item() == c
    if it % 500 == 0:
        print(f"{it} {math.floor(time.time() - start)}s loss {current / 500:.3f} accuracy {right / 500:.2f}")
        current, right = 0.0, 0
