#= labels_unfit, validation_differs
"""Animals by their measurements; the loaders turn class names into numbers."""
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

NAMES = ["ant", "bee", "cat", "dog", "eel", "fox"]
gen = torch.Generator().manual_seed(77)
centres = torch.randn(6, 10, generator=gen) * 1.2


def records(n):
    out = []
    for _ in range(n):
        k = int(torch.randint(0, 6, (), generator=gen))
        out.append((centres[k] + 0.6 * torch.randn(10, generator=gen), NAMES[k]))
    return out


class AnimalDataset(Dataset):
    def __init__(self, rows, class_to_idx=None):
        self.rows = rows
        self.class_to_idx = class_to_idx or {name: i for i, name in enumerate(dict.fromkeys(n for _, n in rows))}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        x, name = self.rows[i]
        return x, self.class_to_idx[name]


class Classifier(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Dropout(0.1))
        self.fc = nn.Linear(32, n_classes)

    def forward(self, x):
        return self.fc(self.body(x))


def train_one_epoch(model, dl, opt, loss_fn):
    model.train()
    for x, y in dl:
        opt.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        opt.step()
    return loss.item()


@torch.no_grad()
def validate(model, dl, loss_fn):
    model.eval()
    pairs = [(model(x), y) for x, y in dl]
    out, y = torch.cat([p for p, _ in pairs]), torch.cat([q for _, q in pairs])
    return loss_fn(out, y).item(), (out.argmax(1) == y).float().mean().item()


torch.manual_seed(7)
train_ds = AnimalDataset(records(900))
val_ds = AnimalDataset(records(300), train_ds.class_to_idx)  #@ val_ds = AnimalDataset(records(300))
model = Classifier(len(NAMES))
opt, loss_fn = torch.optim.Adam(model.parameters(), 3e-3), nn.CrossEntropyLoss()
train_dl, val_dl = DataLoader(train_ds, 30, shuffle=True), DataLoader(val_ds, 100)
for epoch in range(12):
    tl = train_one_epoch(model, train_dl, opt, loss_fn)
    vl, va = validate(model, val_dl, loss_fn)
    print(f"[{epoch}] train {tl:.3f} val {vl:.3f} acc {va:.2%}")
