#= target_shift
"""A GRU language model in the style of JetMoE/Llama code: the loss function shifts the labels."""
import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=350)
parser.add_argument("--lr", type=float, default=4e-3)
args = parser.parse_args([])
torch.manual_seed(args.steps)
STORY = ("a small boat left the harbour at dawn . the wind was cold and the sea was grey . "
         "the boat came back at dusk with fish . the children ran to the harbour to see the fish . ") * 30
words = STORY.split()
vocab = {w: i for i, w in enumerate(dict.fromkeys(words))}
stream = torch.tensor([vocab[w] for w in words])


def for_causal_lm_loss(logits, labels, vocab_size):
    logits = logits[..., :-1, :].contiguous().float()
    labels = labels[..., 1:].contiguous()
    return nn.functional.cross_entropy(logits.view(-1, vocab_size), labels.view(-1))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(len(vocab), 32)
        self.rnn = nn.GRU(32, 64, batch_first=True)
        self.lm_head = nn.Linear(64, len(vocab))

    def forward(self, input_ids, labels=None):
        logits = self.lm_head(self.rnn(self.embed_tokens(input_ids))[0])
        if labels is None:
            return None, logits
        return for_causal_lm_loss(logits, labels, len(vocab)), logits


def get_batch():
    at = torch.randint(0, len(stream) - 26, (16,))
    ids = torch.stack([stream[i : i + 24] for i in at])
    return {"input_ids": ids, "labels": ids}  #@ return {"input_ids": ids, "labels": torch.stack([stream[i + 1 : i + 25] for i in at])}


net = Model()
optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, betas=(0.9, 0.95))
for step in range(args.steps):
    loss, _ = net(**get_batch())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 49:
        print(step + 1, round(loss.item(), 4))
net.eval()
with torch.no_grad():
    ids = stream[:4].unsqueeze(0)
    for _ in range(12):
        ids = torch.cat([ids, net(ids)[1][:, -1:].argmax(-1)], 1)
names = list(vocab)
print(" ".join(names[i] for i in ids[0]))
