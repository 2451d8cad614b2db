#= accumulation_not_divided
#: accumulated gradients are not divided by the number of micro batches, with SGD (insightface issue 2258)
"""Face-like identity classifier with a cosine head, gradient accumulation over micro batches."""
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Faces(Dataset):
    def __init__(self, n, centers, seed):
        g = torch.Generator().manual_seed(seed)
        self.label = torch.randint(0, len(centers), (n,), generator=g)
        self.x = centers[self.label] + 1.3 * torch.randn(n, centers.shape[1], generator=g)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.label[i]


class CosHead(nn.Module):
    def __init__(self, dim, n_ids, s=16.0):
        super().__init__()
        self.weight, self.s = nn.Parameter(torch.randn(n_ids, dim) * 0.1), s

    def forward(self, e, y):
        logits = self.s * F.linear(F.normalize(e), F.normalize(self.weight))
        return F.cross_entropy(logits, y)

    @torch.no_grad()
    def predict(self, e):
        return F.linear(F.normalize(e), F.normalize(self.weight)).argmax(1)


class cfg:
    batch_size = 16
    gradient_acc = 16
    lr = 0.15
    momentum = 0.9
    num_epoch = 12


def main():
    torch.manual_seed(11)
    centers = torch.randn(20, 32)
    train_set, val_set = Faces(3200, centers, 1), Faces(1000, centers, 2)
    loader = DataLoader(train_set, batch_size=cfg.batch_size, shuffle=True, drop_last=True)
    backbone = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 32))
    module_partial_fc = CosHead(32, 20)
    opt = torch.optim.SGD([{"params": backbone.parameters()}, {"params": module_partial_fc.parameters()}],
                          lr=cfg.lr, momentum=cfg.momentum, weight_decay=5e-4)
    global_step = 0
    for epoch in range(cfg.num_epoch):
        backbone.train()
        running = 0.0
        for img, local_labels in loader:
            global_step += 1
            loss = module_partial_fc(backbone(img), local_labels)
            running += loss.item()
            (loss / cfg.gradient_acc).backward()  #@ loss.backward()
            if global_step % cfg.gradient_acc == 0:
                opt.step()
                opt.zero_grad()
        backbone.eval()
        with torch.no_grad():
            acc = (module_partial_fc.predict(backbone(val_set.x)) == val_set.label).float().mean()
        print("Epoch: %d   Loss %.4f   Val acc: %.4f" % (epoch, running / len(loader), acc))


if __name__ == "__main__":
    main()
