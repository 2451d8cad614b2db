#= evaluation_augmented
# own (common question: random_split subsets share one dataset, setting subset.dataset.transform changes both) the validation images are augmented as well and the score is too low and random; right diagnosis: train/val share the transform.
import copy
import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader, random_split
from sklearn.datasets import load_digits


class DigitSet(Dataset):
    def __init__(self, transform=None):
        d = load_digits()
        self.x, self.y, self.transform = torch.tensor(d.images, dtype=torch.float32) / 16, d.target, transform

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        im = self.x[i]
        if self.transform is not None:
            im = self.transform(im)
        return im.flatten(), int(self.y[i])


def strong(im):
    r, c = torch.randint(0, 5, (2,)).tolist()
    im = im.clone(); im[r:r + 4, c:c + 4] = 0
    return im + 0.1 * torch.randn_like(im)


torch.manual_seed(0)
full = DigitSet()
train_set, val_set = random_split(full, [1297, 500])
train_set.dataset = copy.copy(full)  #@
train_set.dataset.transform = strong
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(12):
    for x, y in DataLoader(train_set, batch_size=64, shuffle=True):
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad(); loss.backward(); opt.step()
hits = sum((net(x).argmax(1) == y).sum().item() for x, y in DataLoader(val_set, batch_size=250))
print("validation accuracy %.3f" % (hits / 500))
