#= attends_to_padding
#: key_padding_mask is inverted: True is given for real tokens, so attention sees only padding
"""Question type classification with nn.TransformerEncoder and padded batches."""
import random
import math
import torch
import torch.nn as nn

random.seed(14)
torch.manual_seed(14)
PAD, CLS = 0, 1
N_WORDS, MAX_LEN, N_CLASS = 60, 14, 4


def make_questions(n):
    ids = torch.full((n, MAX_LEN), PAD)
    labels = torch.zeros(n, dtype=torch.long)
    for i in range(n):
        length = random.randint(5, MAX_LEN - 1)
        toks = [random.randint(10, N_WORDS - 1) for _ in range(length)]
        lab = random.randrange(N_CLASS)
        # two key words decide together
        a, b = random.sample(range(length), 2)
        first = random.randrange(2)
        toks[a] = 2 + first
        toks[b] = 4 + (lab % 2 + first) % 2 + 2 * (lab // 2)
        ids[i, 0] = CLS
        ids[i, 1:length + 1] = torch.tensor(toks)
        labels[i] = lab
    return ids, labels


class QuestionTransformer(nn.Module):
    def __init__(self, d_model=32, nhead=4, nlayers=2):
        super().__init__()
        self.emb = nn.Embedding(N_WORDS, d_model, padding_idx=PAD)
        pe = torch.zeros(MAX_LEN, d_model)
        pos = torch.arange(MAX_LEN).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(pos * div), torch.cos(pos * div)
        self.register_buffer("pe", 0.3 * pe)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.head = nn.Linear(d_model, N_CLASS)

    def forward(self, ids):
        mask = ids == PAD  #@ mask = ids != PAD
        h = self.emb(ids) * math.sqrt(32) * 0.3 + self.pe
        h = self.encoder(h, src_key_padding_mask=mask)
        return self.head(h[:, 0])


train_ids, train_lab = make_questions(1500)
dev_ids, dev_lab = make_questions(400)
net = QuestionTransformer()
opt = torch.optim.Adam(net.parameters(), lr=1.5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(14):
    net.train()
    cum = 0.0
    for idx in torch.randperm(1500).split(50):
        opt.zero_grad()
        loss = loss_fn(net(train_ids[idx]), train_lab[idx])
        loss.backward()
        opt.step()
        cum += loss.item()
    net.eval()
    with torch.no_grad():
        dev = net(dev_ids)
    print(f"epoch {epoch:02d} train {cum / 30:.4f} dev loss {loss_fn(dev, dev_lab).item():.4f} dev acc {(dev.argmax(1) == dev_lab).float().mean().item():.3f}")
