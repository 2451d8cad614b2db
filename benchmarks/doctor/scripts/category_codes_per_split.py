#= labels_unfit
#: label names are mapped to integers separately for train and test files, the mapping differs
"""News topic classification, bag of words, labels given as strings."""
import random
import torch
import torch.nn as nn
from collections import OrderedDict

random.seed(3)
torch.manual_seed(3)

TOPIC_WORDS = {
    "sport": "goal match team coach league player cup".split(),
    "tech": "chip phone software cloud robot code startup".split(),
    "politics": "vote senate party law minister treaty reform".split(),
    "health": "virus doctor vaccine diet hospital sleep trial".split(),
}
COMMON = "the of in new report says year people after world".split()
WORDS = sorted(set(sum(TOPIC_WORDS.values(), []) + COMMON))
W2I = {w: i for i, w in enumerate(WORDS)}


def write_articles(n):
    rows = []
    for _ in range(n):
        topic = random.choice(list(TOPIC_WORDS))
        text = [random.choice(TOPIC_WORDS[topic]) for _ in range(3)]
        text += [random.choice(WORDS) for _ in range(6)] + [random.choice(COMMON) for _ in range(8)]
        random.shuffle(text)
        rows.append((" ".join(text), topic))
    return rows


def label_mapping(rows):
    seen = OrderedDict()
    for _, topic in rows:
        seen.setdefault(topic, len(seen))
    return seen


def vectorize(rows, mapping):
    X = torch.zeros(len(rows), len(WORDS))
    for i, (text, _) in enumerate(rows):
        for tok in text.split():
            X[i, W2I[tok]] += 1
    return X, torch.tensor([mapping[t] for _, t in rows])


train_rows, test_rows = write_articles(1200), write_articles(300)
train_map = label_mapping(train_rows)
test_map = train_map  #@ test_map = label_mapping(test_rows)
x_train, y_train = vectorize(train_rows, train_map)
x_test, y_test = vectorize(test_rows, test_map)

clf = nn.Sequential(OrderedDict([
    ("fc1", nn.Linear(len(WORDS), 32)),
    ("act", nn.ReLU()),
    ("fc2", nn.Linear(32, len(train_map))),
]))
loss_function = nn.NLLLoss()
optimizer = torch.optim.Adagrad(clf.parameters(), lr=0.05)

for epoch in range(8):
    order = list(range(len(x_train)))
    random.shuffle(order)
    running = 0
    for s in range(0, len(order), 30):
        ids = order[s:s + 30]
        clf.zero_grad()
        log_probs = torch.log_softmax(clf(x_train[ids]), dim=1)
        loss = loss_function(log_probs, y_train[ids])
        loss.backward()
        optimizer.step()
        running += loss.item()
    with torch.no_grad():
        test_acc = (clf(x_test).argmax(1) == y_test).float().mean().item()
        train_acc = (clf(x_train).argmax(1) == y_train).float().mean().item()
    print(f"{epoch=} loss={running / 40:.4f} {train_acc=:.3f} {test_acc=:.3f}")
