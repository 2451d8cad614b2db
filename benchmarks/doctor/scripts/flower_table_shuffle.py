#= targets_shuffled
# https://github.com/Borda/kaggle_image-classify/pull/12 - the table is shuffled after the raw labels were read, rows and labels no longer belong together; right: shuffle first or index both with the same permutation.
from sklearn.datasets import load_iris
import numpy as np, torch

class FlowerTable(torch.utils.data.Dataset):
    def __init__(self, split, frac=0.7, seed=42):
        raw = load_iris()
        table = [(row, name) for row, name in zip(raw.data, raw.target_names[raw.target])]
        #+ self.raw_labels = [n for _, n in table]
        order = np.random.RandomState(seed).permutation(len(table))
        table = [table[i] for i in order]
        self.raw_labels = [n for _, n in table]  #@
        self.names = sorted(set(self.raw_labels))
        cut = int(frac * len(table))
        part = slice(0, cut) if split == 'train' else slice(cut, None)
        self.rows = [r for r, _ in table][part]
        self.labels = [self.names.index(n) for n in self.raw_labels][part]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return torch.tensor(self.rows[i], dtype=torch.float32), self.labels[i]


torch.manual_seed(0)
train = torch.utils.data.DataLoader(FlowerTable('train'), batch_size=15, shuffle=True)
valid = torch.utils.data.DataLoader(FlowerTable('valid'), batch_size=45)
model = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 24), torch.nn.SELU(), torch.nn.Linear(24, 3))
opt = torch.optim.NAdam(model.parameters(), lr=0.01)
for epoch in range(25):
    model.train(); run = 0.
    for xb, yb in train:
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(xb), yb)
        loss.backward(); opt.step(); run += loss.item() / len(train)
model.eval()
xb, yb = next(iter(valid))
print('train loss', round(run, 3), 'valid accuracy', (model(xb).argmax(1) == yb).float().mean().item())
