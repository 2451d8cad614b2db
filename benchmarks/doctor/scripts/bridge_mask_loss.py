#= padding_in_loss
#: causal LM loss counts the padding transitions, attention_mask is ignored in the loss and most tokens are padding (TransformerLens issue 1607)
"""GRU language model of arithmetic strings of very different length, padded with the token 0 that also means the digit zero."""
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(3)
torch.manual_seed(3)
CHARS = "0123456789+="
stoi = {c: i for i, c in enumerate(CHARS)}
MAXLEN = 42


def sample():
    """a+b=c modulo 10, a chain of 1 to 3 of them; rarely a long one"""
    k = random.choice([1, 1, 2, 3]) if random.random() < 0.97 else 8
    out = ""
    for _ in range(k):
        a, b = random.randint(0, 9), random.randint(0, 9)
        out += f"{a}+{b}={(a + b) % 10}"
    return out


def encode(batch):
    ids = torch.zeros(len(batch), MAXLEN, dtype=torch.long)
    mask = torch.zeros(len(batch), MAXLEN, dtype=torch.long)
    for r, s in enumerate(batch):
        s = s[:MAXLEN]
        ids[r, : len(s)] = torch.tensor([stoi[c] for c in s])
        mask[r, : len(s)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def lm_cross_entropy_loss(logits, tokens, attention_mask=None):
    nll = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    if attention_mask is not None:
        m = (attention_mask[:, :-1] * attention_mask[:, 1:]).float()
        return (nll * m).sum() / m.sum()
    return nll.mean()


class Bridge(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.embed, self.rnn, self.unembed = nn.Embedding(len(CHARS), d), nn.GRU(d, d, batch_first=True), nn.Linear(d, len(CHARS))

    def forward(self, input_ids, attention_mask=None, return_type="logits"):
        h, _ = self.rnn(self.embed(input_ids))
        logits = self.unembed(h)
        if return_type == "logits":
            return logits
        return lm_cross_entropy_loss(logits, input_ids, attention_mask)  #@ return lm_cross_entropy_loss(logits, input_ids)


train_text, test_text = [sample() for _ in range(1200)], [sample() for _ in range(200)]
model = Bridge()
opt = torch.optim.Adam(model.parameters(), lr=6e-3)
test = encode(test_text)
is_result = torch.zeros_like(test["input_ids"], dtype=torch.bool)
is_result[:, 1:] = (test["input_ids"][:, :-1] == stoi["="]) & (test["attention_mask"][:, 1:] == 1)
for epoch in range(12):
    random.shuffle(train_text)
    model.train()
    for i in range(0, len(train_text), 40):
        loss = model(**encode(train_text[i:i + 40]), return_type="loss")
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        logits = model(test["input_ids"])
        real = lm_cross_entropy_loss(logits, test["input_ids"], test["attention_mask"])
        right = (logits[:, :-1].argmax(-1) == test["input_ids"][:, 1:])[is_result[:, 1:]].float().mean()
    print(f"epoch {epoch}: train loss {loss.item():.4f}  test loss on real tokens {real.item():.4f}  results right {right.item():.3f}")
