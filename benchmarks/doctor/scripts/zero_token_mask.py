#= samples_missing
# https://datascience.stackexchange.com/questions/67599 (Masking(mask_value=0) on data whose zeros mean something): token 0 is a real token and is masked out; a right diagnosis says that the mask removes real data.
import torch
import torch.nn as nn

torch.manual_seed(2)
VOCAB, LEN = 12, 20


def generate(n):
    """ events 0..11; positive when event 0 (a door opening) is frequent """
    y = torch.randint(0, 2, (n,))
    rate = torch.where(y == 1, 0.35, 0.05).unsqueeze(1)
    tok = torch.randint(1, VOCAB, (n, LEN))
    tok[torch.rand(n, LEN) < rate] = 0
    return tok, y.float()


class EventClassifier(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, tok):
        mask = torch.ones_like(tok, dtype=torch.float)  #@ mask = (tok != 0).float()
        e = self.emb(tok) * mask.unsqueeze(-1)
        pooled = e.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return self.mlp(pooled).squeeze(-1)


train_tok, train_y = generate(2000)
test_tok, test_y = generate(800)
model = EventClassifier()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(12):
    perm = torch.randperm(len(train_y))
    for i in range(0, len(perm), 50):
        j = perm[i:i + 50]
        loss = bce(model(train_tok[j]), train_y[j])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        acc = ((model(test_tok) > 0).float() == test_y).float().mean()
    print(f"[{epoch+1:02d}] loss={loss.item():.4f} test_acc={acc:.3f}")
