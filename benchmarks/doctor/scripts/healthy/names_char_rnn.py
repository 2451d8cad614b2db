"""Classifying invented names with a character RNN, one name per step, manual parameter update."""
import random
import string
import torch
import torch.nn as nn

random.seed(1)
torch.manual_seed(1)
all_letters = string.ascii_lowercase
SYL = {
    "Italo": (["ro", "ma", "li", "ni", "gio", "be"], ["ello", "ini", "otti"]),
    "Slavo": (["kra", "vla", "bo", "mi", "sta", "zo"], ["ovic", "sky", "enko"]),
    "Nippo": (["ya", "ta", "ka", "shi", "mu", "na"], ["moto", "mura", "hashi"]),
}
all_categories = list(SYL)
n_hidden, learning_rate = 48, 0.01


def random_name(cat):
    heads, tails = SYL[cat]
    name = "".join(random.choice(heads) for _ in range(random.randint(1, 2)))
    name += random.choice(tails)
    if random.random() < 0.15:
        name = name[:-1]
    return name


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(all_letters))
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, given, hidden):
        hidden = torch.tanh(self.i2h(torch.cat((given, hidden), 1)))
        return self.softmax(self.h2o(hidden)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(len(all_letters), n_hidden, len(all_categories))
criterion = nn.NLLLoss()


def train(category_tensor, line_tensor):
    hidden = rnn.initHidden()
    rnn.zero_grad()
    for i in range(line_tensor.size(0)):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


def evaluate(n=200):
    hits = 0
    with torch.no_grad():
        for _ in range(n):
            c = random.randrange(3)
            hidden = rnn.initHidden()
            for letter in line_to_tensor(random_name(all_categories[c])):
                output, hidden = rnn(letter, hidden)
            hits += output.topk(1)[1][0].item() == c
    return hits / n


current_loss = 0
for it in range(1, 1501):
    c = random.randrange(3)
    output, loss = train(torch.tensor([c]), line_to_tensor(random_name(all_categories[c])))
    current_loss += loss
    if it % 300 == 0:
        print('%d %d%% loss %.4f eval %.3f' % (it, it / 15, current_loss / 300, evaluate()))
        current_loss = 0
