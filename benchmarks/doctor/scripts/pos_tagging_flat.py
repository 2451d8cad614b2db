#= axes_scrambled, target_shift
# remembered: PyTorch forum "word language model / tagger loss stays high" (output (T,B,V) is flattened time first, the targets (B,T) batch first): predictions are compared with the wrong words; a right diagnosis says the order of the two flattenings differs.
import torch
import torch.nn as nn

torch.manual_seed(0)
VOCAB, TAGS, T = 50, 6, 10
tag_of = torch.randint(0, TAGS, (VOCAB,))


def sentences(n):
    w = torch.randint(0, VOCAB, (n, T))
    tags = tag_of[w].clone()
    # a word after word 0..9 takes the tag 5
    tags[:, 1:][w[:, :-1] < 10] = 5
    return w, tags


class LSTMTagger(nn.Module):
    def __init__(self, e=24, h=48):
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCAB, e)
        self.lstm = nn.LSTM(e, h)
        self.hidden2tag = nn.Linear(h, TAGS)

    def forward(self, words):  # words: (B, T)
        embeds = self.word_embeddings(words.t())
        out, _ = self.lstm(embeds)
        return self.hidden2tag(out)  # (T, B, TAGS)


model = LSTMTagger()
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
train_w, train_t = sentences(1000)
test_w, test_t = sentences(300)
for epoch in range(12):
    tot = 0.0
    for b in torch.randperm(1000).split(25):
        model.zero_grad()
        tag_scores = model(train_w[b])
        target = train_t[b].t().reshape(-1)  #@ target = train_t[b].reshape(-1)
        loss = loss_function(tag_scores.reshape(-1, TAGS), target)
        loss.backward()
        optimizer.step()
        tot += loss.item()
    with torch.no_grad():
        acc = (model(test_w).argmax(-1).t() == test_t).float().mean().item()
    print(f"epoch {epoch+1} loss {tot/40:.4f} test tag accuracy {acc:.4f}")
