#= axes_scrambled
"""Part-of-speech tags with an LSTM; the logits must be (batch, classes, length) for the loss."""
import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(1)
V, C, T = 60, 5, 12
words = torch.randint(0, V, (1200, T))
table = torch.randint(0, C, (V,))
tags = table[words]


class LSTMTagger(nn.Module):
    def __init__(self, embedding_dim=32, hidden_dim=48):
        super().__init__()
        self.word_embeddings = nn.Embedding(V, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.hidden2tag = nn.Linear(hidden_dim, C)

    def forward(self, sentence):
        embeds = self.word_embeddings(sentence)
        lstm_out, _ = self.lstm(embeds)
        return self.hidden2tag(lstm_out)


model = LSTMTagger()
loss_function = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.005)
for epoch in range(8):
    for i in range(0, 1000, 50):
        model.zero_grad()
        tag_scores = model(words[i:i + 50])
        tag_scores = tag_scores.permute(0, 2, 1)  #@ tag_scores = tag_scores.reshape(-1, C, T)
        loss = loss_function(tag_scores, tags[i:i + 50])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = (model(words[1000:]).argmax(-1) == tags[1000:]).float().mean()
    print(f"Epoch {epoch}: loss {loss.item():.4f} acc {acc:.3f}")
