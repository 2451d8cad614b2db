#= load_without_effect
"""A sentence classifier on an encoder that was pretrained by predicting masked words; few labels."""
import torch
import torch.nn as nn

torch.manual_seed(19)
VOCAB, TOPICS, LEN, MASK = 40, 4, 10, 0
topic_words = torch.softmax(1.6 * torch.randn(TOPICS, VOCAB - 1), -1)


def documents(n):
    topic = torch.randint(0, TOPICS, (n,))
    return torch.multinomial(topic_words[topic], LEN, replacement=True) + 1, topic


class Encoder(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.embeddings = nn.Embedding(VOCAB, d)
        self.layer = nn.TransformerEncoderLayer(d, 4, 64, 0.0, batch_first=True)

    def forward(self, ids):
        return self.layer(self.embeddings(ids))


class MaskedLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.lm_head = nn.Linear(32, VOCAB)

    def forward(self, ids):
        return self.lm_head(self.encoder(ids))


class SequenceClassifier(nn.Module):
    def __init__(self, pretrained=None):
        super().__init__()
        self.encoder = Encoder()
        self.classifier = nn.Linear(32, TOPICS)
        self.apply(self._init_weights)  #@
        if pretrained is not None:
            self.encoder.load_state_dict(pretrained)
        #+ self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.data.zero_()

    def forward(self, ids):
        return self.classifier(self.encoder(ids).mean(1))


mlm = MaskedLM()
optimizer = torch.optim.Adam(mlm.parameters(), lr=3e-3)
for step in range(250):
    ids, _ = documents(64)
    hide = torch.rand(ids.shape) < 0.3
    logits = mlm(ids.masked_fill(hide, MASK))
    loss = nn.functional.cross_entropy(logits[hide], ids[hide])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("pretraining loss", round(loss.item(), 3))

train_x, train_y = documents(12)
test_x, test_y = documents(500)
clf = SequenceClassifier(mlm.encoder.state_dict())
optimizer = torch.optim.AdamW([{"params": clf.encoder.parameters(), "lr": 1e-4}, {"params": clf.classifier.parameters(), "lr": 1e-2}])
for epoch in range(30):
    for idx in torch.randperm(12).split(6):
        loss = nn.functional.cross_entropy(clf(train_x[idx]), train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        clf.eval()
        with torch.no_grad():
            print(f"epoch {epoch + 1} loss {loss.item():.3f} accuracy {(clf(test_x).argmax(1) == test_y).float().mean():.3f}")
        clf.train()
