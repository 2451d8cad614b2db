#= leak_across_splits
# https://github.com/karpathy/llm.c/pull/500 "fix leak of validation examples into training loop": the validation batch overwrites x, y, and the next training step uses it; a right diagnosis says validation data is trained on (give the batches other names).
import torch
import torch.nn as nn

torch.manual_seed(1337)
B, T, V = 16, 16, 32
# a fixed random 3-gram text with noise
g = torch.Generator().manual_seed(0)
table = torch.randint(0, V, (V, V), generator=g)
tokens = [1, 2]
for _ in range(30000):
    nxt = table[tokens[-1], tokens[-2]].item()
    if torch.rand(1, generator=g).item() < 0.15:
        nxt = torch.randint(0, V, (1,), generator=g).item()
    tokens.append(nxt)
tokens = torch.tensor(tokens)
train_tokens, val_tokens, test_tokens = tokens[:24000], tokens[24000:26000], tokens[26000:]


class DataLoaderLite:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def next_batch(self):
        if self.pos + B * T + 1 > len(self.data):
            self.pos = 0
        buf = self.data[self.pos:self.pos + B * T + 1]
        self.pos += B * T
        return buf[:-1].view(B, T), buf[1:].view(B, T)


class TinyLM(nn.Module):
    def __init__(self, d=64):
        super().__init__()
        self.wte = nn.Embedding(V, d)
        self.rnn = nn.GRU(d, 128, batch_first=True)
        self.lm_head = nn.Linear(128, V)

    def forward(self, idx, targets):
        logits = self.lm_head(self.rnn(self.wte(idx))[0])
        return nn.functional.cross_entropy(logits.reshape(-1, V), targets.reshape(-1))


model = TinyLM()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
train_loader, val_loader = DataLoaderLite(train_tokens), DataLoaderLite(val_tokens)
val_loss_every = 2
x, y = train_loader.next_batch()
for step in range(500):
    if step % val_loss_every == 0:
        model.eval()
        with torch.no_grad():
            xv, yv = val_loader.next_batch()  #@ x, y = val_loader.next_batch()
            val_loss = model(xv, yv).item()  #@ val_loss = model(x, y).item()
    model.train()
    loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    x, y = train_loader.next_batch()
    if step % 50 == 49:
        print(f"step {step+1:4d} | train loss {loss.item():.4f} | val loss {val_loss:.4f}")

model.eval()
n = (len(test_tokens) - 1) // T * T
with torch.no_grad():
    test_loss = model(test_tokens[:n].view(-1, T), test_tokens[1:n + 1].view(-1, T)).item()
    m = (len(val_tokens) - 1) // T * T
    full_val = model(val_tokens[:m].view(-1, T), val_tokens[1:m + 1].view(-1, T)).item()
print(f"final: val loss {full_val:.4f}, loss on unseen text {test_loss:.4f}")
