#= double_softmax, bounded_output
"""Three kinds of shapes (bars, crosses, blobs) on small pictures."""
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset


class Shapes(Dataset):
    def __init__(self, size, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.items = [self.draw(i % 3) for i in range(size)]

    def draw(self, kind):
        picture = 0.15 * torch.rand(3, 16, 16, generator=self.generator)
        r, c = torch.randint(4, 12, (2,), generator=self.generator).tolist()
        color = torch.rand(3, 1, generator=self.generator) * 0.6 + 0.4
        if kind != 2:
            picture[:, r, c - 4 : c + 4] = color
        if kind == 1:
            picture[:, r - 4 : r + 4, c] = color
        if kind == 2:
            picture[:, r - 2 : r + 2, c - 2 : c + 2] = color.unsqueeze(2)
        return picture, kind

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def build_model():
    layers = [
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 3),
    ]
    #+ layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def main():
    torch.manual_seed(0)
    train_gen = DataLoader(Shapes(900, 1), batch_size=32, shuffle=True)
    test_gen = DataLoader(Shapes(300, 2), batch_size=64)
    model = build_model()
    rmsprop = optim.RMSprop(model.parameters(), lr=1e-3)
    categorical = nn.CrossEntropyLoss()
    for epoch in range(6):
        model.train()
        for pictures, kinds in train_gen:
            rmsprop.zero_grad()
            categorical(model(pictures), kinds).backward()
            rmsprop.step()
        model.eval()
        with torch.no_grad():
            losses = [categorical(model(p), k) for p, k in test_gen]
            hits = sum((model(p).argmax(1) == k).sum().item() for p, k in test_gen)
        print(f"{epoch}: test loss {torch.stack(losses).mean():.4f} accuracy {hits / 300:.3f}")


if __name__ == "__main__":
    main()
