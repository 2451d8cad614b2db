#= target_shift
"""Masked language model with a data collator: 15 percent of the words are hidden, some replaced."""
import torch
from torch import nn

MASK_ID, VOCAB, LENGTH = 1, 50, 16


class DataCollatorForMLM:
    def __init__(self, probability=0.15):
        self.p = probability

    def __call__(self, ids):
        labels = ids.clone()
        chosen = torch.rand(ids.shape) < self.p
        labels[~chosen] = -100  #@
        inputs = ids.clone()
        replaced = chosen & (torch.rand(ids.shape) < 0.8)
        inputs[replaced] = MASK_ID
        wrong = chosen & ~replaced & (torch.rand(ids.shape) < 0.5)
        inputs[wrong] = torch.randint(2, VOCAB, ids.shape)[wrong]
        return {"input_ids": inputs, "labels": labels}


class BertForMaskedLM(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.word = nn.Embedding(VOCAB, d)
        self.place = nn.Embedding(LENGTH, d)
        self.norm = nn.LayerNorm(d)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 4, 96, 0.0, "gelu", batch_first=True), 2, enable_nested_tensor=False)
        self.decoder = nn.Linear(d, VOCAB)

    def forward(self, input_ids, labels):
        h = self.encoder(self.norm(self.word(input_ids) + self.place.weight))
        logits = self.decoder(h)
        return nn.functional.cross_entropy(logits.view(-1, VOCAB), labels.view(-1)), logits


torch.manual_seed(10)
successor = torch.randperm(VOCAB - 2) + 2


def text(n):
    ids = torch.randint(2, VOCAB, (n, LENGTH))
    for t in range(1, LENGTH):
        ids[:, t] = torch.where(torch.rand(n) < 0.9, successor[ids[:, t - 1] - 2], ids[:, t])
    return ids


collator, model = DataCollatorForMLM(), BertForMaskedLM()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
for step in range(350):
    loss, _ = model(**collator(text(32)))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 70 == 69:
        ids = text(200)
        hidden = ids.clone()
        hidden[:, 8] = MASK_ID
        with torch.no_grad():
            guess = model(hidden, ids)[1][:, 8].argmax(-1)
        print(f"step {step + 1} loss {loss.item():.3f} hidden word right {(guess == ids[:, 8]).float().mean():.3f}")
