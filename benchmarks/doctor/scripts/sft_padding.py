#= padding_in_loss
"""Supervised fine-tuning on instructions and answers of unequal length; the tokenizer pads on the right."""
import random

import torch
import torch.nn as nn

IGNORE_INDEX = -100
PAD_TOKEN_ID = 0
alphabet = "_ 0123456789+=abcdefghij?"
stoi = {c: i for i, c in enumerate(alphabet)}


def preprocess(sources, targets, max_length=48):
    rows, labels = [], []
    for s, t in zip(sources, targets):
        ids = [stoi[c] for c in s + t][:max_length]
        label = [IGNORE_INDEX] * len(s) + ids[len(s):]
        pad = max_length - len(ids)
        rows.append(ids + [PAD_TOKEN_ID] * pad)
        labels.append(label + [IGNORE_INDEX] * pad)  #@ labels.append(label + [PAD_TOKEN_ID] * pad)
    return torch.tensor(rows), torch.tensor(labels)


def examples(n, rnd):
    src, tgt = [], []
    for _ in range(n):
        word = "".join(rnd.choice("abcdefghij") for _ in range(rnd.randint(2, 4)))
        src.append(f"reverse {word}?".replace("reverse ", ""))
        tgt.append(word[::-1] + " ")
    return src, tgt


class GPT(nn.Module):
    def __init__(self, width=64, layers=2, block=48):
        super().__init__()
        self.tok = nn.Embedding(len(alphabet), width)
        self.pos = nn.Embedding(block, width)
        self.h = nn.ModuleList(nn.TransformerEncoderLayer(width, 4, 128, 0.0, batch_first=True, norm_first=True) for _ in range(layers))
        self.head = nn.Linear(width, len(alphabet))

    def forward(self, ids):
        t = ids.shape[1]
        x = self.tok(ids) + self.pos.weight[:t]
        causal = torch.full((t, t), float("-inf")).triu(1)
        for block in self.h:
            x = block(x, src_mask=causal, is_causal=True)
        return self.head(x)


def lm_loss(logits, labels):
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE_INDEX)


torch.manual_seed(0)
rnd = random.Random(0)
ids, labels = preprocess(*examples(2000, rnd))
test_ids, test_labels = preprocess(*examples(200, rnd))
model = GPT()
optim = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(160):
    pick = torch.randint(0, len(ids), (24,))
    loss = lm_loss(model(ids[pick]), labels[pick])
    optim.zero_grad()
    loss.backward()
    optim.step()
    if step % 40 == 39:
        with torch.no_grad():
            guess = model(test_ids)[:, :-1].argmax(-1)
            answer = (test_labels[:, 1:] != IGNORE_INDEX) & (test_ids[:, 1:] != PAD_TOKEN_ID)
            print(step, f"{loss:.3f}", "answers:", f"{(guess == test_ids[:, 1:])[answer].float().mean():.3f}")
