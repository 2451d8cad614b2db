#= update_too_large
# Digit classifier, convolutional. Adapted from a course notebook.
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim

EPOCHS = 6
LEARNING_RATE = 0.001  #@ LEARNING_RATE = 0.1
BATCH = 25

x, y = load_digits(return_X_y=True)
x = x.reshape(-1, 1, 8, 8).astype('float32') / 16
x_tr, x_te, y_tr, y_te = (torch.as_tensor(a) for a in train_test_split(x, y, test_size=0.2, random_state=0, stratify=y))

torch.manual_seed(2)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, img):
        return self.classifier(self.features(img))


net = ConvNet()
opt = optim.Adam(net.parameters(), lr=LEARNING_RATE)
ce = nn.CrossEntropyLoss()

history = {'loss': [], 'acc': []}
for e in range(EPOCHS):
    net.train()
    seen, running = 0, 0.0
    for ids in torch.randperm(len(x_tr)).split(BATCH):
        opt.zero_grad()
        logits = net(x_tr[ids])
        loss = ce(logits, y_tr[ids])
        loss.backward()
        opt.step()
        running += loss.item() * len(ids)
        seen += len(ids)
    net.eval()
    with torch.no_grad():
        acc = (net(x_te).argmax(1) == y_te).float().mean().item()
    history['loss'].append(running / seen)
    history['acc'].append(acc)
    print('epoch', e, 'loss', history['loss'][-1], 'val_acc', acc)
