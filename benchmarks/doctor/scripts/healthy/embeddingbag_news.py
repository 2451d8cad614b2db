import torch, time
from torch import nn
from torch.utils.data import DataLoader, random_split
torch.manual_seed(0)
g = torch.Generator().manual_seed(11)
# bag-of-token documents: four classes, Zipf background, class keywords
VOCAB, N, C = 600, 3000, 4
bg = 1.0 / torch.arange(1, VOCAB + 1).float()
docs = []
for i in range(N):
    y = int(torch.randint(C, (1,), generator=g)); n = int(torch.randint(6, 40, (1,), generator=g))
    toks = torch.multinomial(bg, n, True, generator=g)
    kw = torch.randint(400 + 50 * y, 450 + 50 * y, (n,), generator=g)
    sel = torch.rand(n, generator=g) < 0.2
    docs.append((y + 1, torch.where(sel, kw, toks)))

def collate_batch(batch):
    labels, texts, offsets = [], [], [0]
    for lab, t in batch:
        labels.append(lab - 1); texts.append(t); offsets.append(t.size(0))
    return torch.tensor(labels), torch.cat(texts), torch.tensor(offsets[:-1]).cumsum(0)

class TextClassificationModel(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_class):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim, sparse=False)
        self.fc = nn.Linear(embed_dim, num_class)
        self.embedding.weight.data.uniform_(-0.5, 0.5); self.fc.weight.data.uniform_(-0.5, 0.5); self.fc.bias.data.zero_()
    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))

model = TextClassificationModel(VOCAB, 32, C)
criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=5.0)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
train_set, valid_set, test_set = random_split(docs, [2400, 200, 400], generator=torch.Generator().manual_seed(1))
tl = DataLoader(train_set, batch_size=16, shuffle=True, collate_fn=collate_batch)
vl = DataLoader(valid_set, batch_size=64, collate_fn=collate_batch)
sl = DataLoader(test_set, batch_size=64, collate_fn=collate_batch)

def evaluate(dl):
    model.eval(); acc = cnt = 0
    with torch.no_grad():
        for label, text, off in dl:
            acc += (model(text, off).argmax(1) == label).sum().item(); cnt += label.size(0)
    return acc / cnt

total_accu = None
for epoch in range(1, 11):
    model.train()
    for label, text, off in tl:
        optimizer.zero_grad()
        loss = criterion(model(text, off), label); loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1); optimizer.step()
    accu_val = evaluate(vl)
    if total_accu is not None and total_accu > accu_val:
        scheduler.step()
    else:
        total_accu = accu_val
    print(f"| end of epoch {epoch:2d} | valid accuracy {accu_val:6.3f} lr {optimizer.param_groups[0]['lr']:.3g}")
print(f"test accuracy {evaluate(sl):.3f}")
