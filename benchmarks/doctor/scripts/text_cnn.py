#= axes_scrambled
"""Kim's CNN for sentences. Conv1d wants (batch, channels, length)."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
VOCAB, LENGTH, EMB = 80, 20, 32
texts = torch.randint(2, VOCAB, (1600, LENGTH))
labels = torch.randint(0, 2, (1600,))
for i in range(1600):  # the class is the order of two words
    at = torch.randint(0, LENGTH - 1, ()).item()
    texts[i, at:at + 2] = torch.tensor([0, 1]) if labels[i] else torch.tensor([1, 0])


class TextCNN(nn.Module):
    def __init__(self, kernel_sizes=(2, 3, 4), num_filters=24):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, EMB)
        self.convs = nn.ModuleList([nn.Conv1d(EMB, num_filters, k) for k in kernel_sizes])
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(num_filters * len(kernel_sizes), 2)

    def forward(self, x):
        emb = self.embedding(x)
        emb = emb.transpose(1, 2)  #@ emb = emb.view(x.size(0), EMB, LENGTH)
        pooled = [torch.relu(conv(emb)).max(dim=2)[0] for conv in self.convs]
        return self.fc(self.dropout(torch.cat(pooled, dim=1)))


train = DataLoader(TensorDataset(texts[:1300], labels[:1300]), batch_size=50, shuffle=True)
valid = DataLoader(TensorDataset(texts[1300:], labels[1300:]), batch_size=100)
model = TextCNN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    model.train()
    for text, label in train:
        optimizer.zero_grad()
        loss = criterion(model(text), label)
        loss.backward()
        optimizer.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for text, label in valid:
            correct += (model(text).argmax(1) == label).sum().item()
    print(f"Epoch: {epoch+1:02} | Loss {loss.item():.3f} | Val acc {correct / 300:.3f}")
