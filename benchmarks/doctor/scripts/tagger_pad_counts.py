#= padding_in_loss
#: padding label 0 is a trained and counted class: no ignore_index, accuracy is inflated by pad positions
"""Part-of-speech tagging of toy sentences with a BiLSTM, padded batches."""
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(10)
torch.manual_seed(10)

words = {"DET": ["the", "a", "this"], "ADJ": ["big", "red", "light", "old"], "NOUN": ["dog", "run", "light", "book", "play", "walk"],
         "VERB": ["run", "book", "play", "sees", "light", "walk"], "ADV": ["fast", "often", "well", "still"]}
tag2ix = {"<pad>": 0, "DET": 1, "ADJ": 2, "NOUN": 3, "VERB": 4, "ADV": 5}
word2ix = {"<pad>": 0}
for ws in words.values():
    for w in ws:
        word2ix.setdefault(w, len(word2ix))
MAXLEN = 40


def sentence():
    tags = []
    for _ in range(random.choice([1, 1, 2, 2, 5])):
        np_ = (["DET"] if random.random() < .7 else []) + (["ADJ"] if random.random() < .5 else []) + ["NOUN"]
        tags += np_ + ["VERB"] + (["ADV"] if random.random() < .4 else [])
    return [random.choice(words[t]) for t in tags], tags


def encode(n):
    X = torch.zeros(n, MAXLEN, dtype=torch.long)
    T = torch.zeros(n, MAXLEN, dtype=torch.long)
    for i in range(n):
        ws, ts = sentence()
        X[i, :len(ws)] = torch.tensor([word2ix[w] for w in ws])
        T[i, :len(ts)] = torch.tensor([tag2ix[t] for t in ts])
    return X, T


class Tagger(nn.Module):
    def __init__(self, emb=16, hid=24):
        super().__init__()
        self.embedding = nn.Embedding(len(word2ix), emb, padding_idx=0)
        self.lstm = nn.LSTM(emb, hid, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * hid, len(tag2ix))

    def forward(self, x):
        h, _ = self.lstm(self.embedding(x))
        return self.hidden2tag(h)


X, T = encode(600)
Xv, Tv = encode(200)
tagger = Tagger()
optimizer = torch.optim.SGD(tagger.parameters(), lr=0.2, momentum=0.5)

for epoch in range(8):
    tagger.train()
    total = 0.0
    for idx in torch.randperm(600).split(20):
        optimizer.zero_grad()
        logits = tagger(X[idx])
        loss = F.cross_entropy(logits.view(-1, len(tag2ix)), T[idx].view(-1), ignore_index=0)  #@ loss = F.cross_entropy(logits.view(-1, len(tag2ix)), T[idx].view(-1))
        loss.backward()
        optimizer.step()
        total += loss.item()
    tagger.eval()
    with torch.no_grad():
        best = tagger(Xv).argmax(-1)
    real = Tv != 0  #@ real = torch.ones_like(Tv, dtype=torch.bool)
    acc = (best == Tv)[real].float().mean().item()
    print(f"epoch {epoch + 1} loss {total / 30:.4f} tag accuracy {acc:.4f}")
true_words = Tv != 0
print("accuracy on words only: %.4f" % (best == Tv)[true_words].float().mean().item())
