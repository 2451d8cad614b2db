#= padding_in_loss
"""Tag the words of padded sentences with a bidirectional GRU."""
import torch
from torch import nn

torch.manual_seed(0)
VOCAB, TAGS, LONGEST = 40, 4, 24
PAD_TAG = -100  #@ PAD_TAG = 0


def batch(size):
    words = torch.zeros(size, LONGEST, dtype=torch.long)
    tags = torch.full((size, LONGEST), PAD_TAG)
    for row in range(size):
        length = int(torch.randint(3, 10, ()))
        words[row, :length] = torch.randint(1, VOCAB, (length,))
        tags[row, :length] = words[row, :length] % TAGS
    return words, tags


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 24, padding_idx=0)
        self.gru = nn.GRU(24, 32, batch_first=True, bidirectional=True)
        self.tag = nn.Linear(64, TAGS)

    def forward(self, words):
        return self.tag(self.gru(self.embed(words))[0])


model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for step in range(200):
    words, tags = batch(32)
    loss = criterion(model(words).transpose(1, 2), tags)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        with torch.no_grad():
            words, tags = batch(100)
            real = words > 0
            print(step, (model(words).argmax(-1)[real] == (words % TAGS)[real]).float().mean().item())
