#= target_shift
"""Fine-tuning loop of a decoder: the Trainer takes care of the loss when labels are smoothed."""
from dataclasses import dataclass
from typing import Optional

import torch
import torch.nn as nn
import torch.nn.functional as F

BOS = 0
torch.manual_seed(5)


@dataclass
class Output:
    logits: torch.Tensor
    loss: Optional[torch.Tensor] = None


class DecoderLM(nn.Module):
    def __init__(self, vocab=24, d=48, heads=4, ctx=24):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, d), nn.Embedding(ctx, d)
        self.ln1, self.ln2, self.ln_f = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.lm_head = nn.Linear(d, vocab, bias=False)
        self.heads = heads

    def forward(self, input_ids):
        b, t = input_ids.shape
        h = self.wte(input_ids) + self.wpe(torch.arange(t))
        q, k, v = (z.view(b, t, self.heads, -1).transpose(1, 2) for z in self.qkv(self.ln1(h)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.proj(a.transpose(1, 2).reshape(b, t, -1))
        h = h + self.mlp(self.ln2(h))
        return Output(self.lm_head(self.ln_f(h)))


class LabelSmoother:
    def __init__(self, epsilon=0.05):
        self.epsilon = epsilon

    def __call__(self, output, labels, shift_labels=False):
        logits = output.logits
        if shift_labels:
            logits, labels = logits[:, :-1], labels[:, 1:]
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), label_smoothing=self.epsilon)


class Trainer:
    def __init__(self, model, lr):
        self.model, self.smoother = model, LabelSmoother()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def compute_loss(self, inputs):
        labels = inputs.pop("labels")
        return self.smoother(self.model(**inputs), labels, shift_labels=True)  #@ return self.smoother(self.model(**inputs), labels)

    def train(self, batches):
        self.model.train()
        for step, inputs in enumerate(batches):
            loss = self.compute_loss(inputs)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if step % 100 == 0:
                print({"step": step, "loss": round(loss.item(), 4)})


table = torch.randint(1, 24, (24, 2))


def sentences(n, length=20):
    ids = torch.randint(1, 24, (n, length))
    ids[:, 0] = BOS
    for t in range(2, length):
        ids[:, t] = table[ids[:, t - 1], ids[:, t - 2] % 2]
    return ids


def batches(steps):
    for _ in range(steps):
        ids = sentences(32)
        yield {"input_ids": ids, "labels": ids.clone()}


model = DecoderLM()
Trainer(model, 2e-3).train(batches(400))
model.eval()
with torch.no_grad():
    ids = sentences(200)
    guess = model(ids).logits[:, 2:-1].argmax(-1)
    print("next word right:", (guess == ids[:, 3:]).float().mean().item())
