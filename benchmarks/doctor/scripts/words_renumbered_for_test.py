#= labels_unfit, validation_differs
#: the vocabulary is rebuilt for the test texts, word indices do not match those of training
"""Spam filter: own tokenizer, word index and an embedding + 1d conv net."""
import random
from collections import Counter

import torch
import torch.nn as nn

random.seed(77)
torch.manual_seed(77)
HAM = "meeting tomorrow lunch thanks report see you home call mom dinner project notes".split()
SPAM = "win cash prize free click offer urgent winner loan credit bonus limited".split()
COMMON = [f"the{i}" for i in range(80)]


def sample_texts(n):
    texts, labels = [], []
    for _ in range(n):
        spam = random.random() < 0.5
        w = random.choices(COMMON, k=12) + random.choices(SPAM if spam else HAM, k=2)
        random.shuffle(w)
        texts.append(" ".join(w))
        labels.append(int(spam))
    return texts, labels


def build_word_index(texts, max_words=200):
    counts = Counter(w for t in texts for w in t.split())
    return {w: i + 2 for i, (w, _) in enumerate(counts.most_common(max_words - 2))}


def texts_to_tensor(texts, word_index, maxlen=16):
    rows = []
    for t in texts:
        ids = [word_index.get(w, 1) for w in t.split()][:maxlen]
        rows.append(ids + [0] * (maxlen - len(ids)))
    return torch.tensor(rows)


class CNNText(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(200, 16, padding_idx=0)
        self.conv = nn.Conv1d(16, 24, 3, padding=1)
        self.fc = nn.Linear(24, 2)

    def forward(self, x):
        h = torch.relu(self.conv(self.emb(x).transpose(1, 2)))
        return self.fc(h.max(dim=2).values)


tr_texts, tr_y = sample_texts(1000)
te_texts, te_y = sample_texts(250)
wi = build_word_index(tr_texts)
x_train, y_train = texts_to_tensor(tr_texts, wi), torch.tensor(tr_y)
#+ wi = build_word_index(te_texts)
x_test, y_test = texts_to_tensor(te_texts, wi), torch.tensor(te_y)
model = CNNText()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    for idx in torch.randperm(1000).split(25):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()
        opt.step()
    with torch.no_grad():
        tr = (model(x_train).argmax(1) == y_train).float().mean()
        te = (model(x_test).argmax(1) == y_test).float().mean()
    print(f"epoch {epoch} train acc {tr:.3f} test acc {te:.3f}")
