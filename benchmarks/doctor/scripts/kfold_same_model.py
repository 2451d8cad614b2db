#= leak_across_splits
#: https://py4u.org/questions/75264251/ ; the model and optimizer are made once before the fold loop, so later folds validate on samples already trained on; diagnosis: new model in each fold.
import numpy as np, torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset
SEED = 42
torch.manual_seed(SEED); np.random.seed(SEED)
raw = load_diabetes()
labels = (raw.target > np.median(raw.target)).astype('int64')
noise = np.random.randn(442, 40).astype('float32')
feats = np.hstack([raw.data.astype('float32') * 20, noise])
dataset = TensorDataset(torch.from_numpy(feats), torch.from_numpy(labels))

def create_model():
    torch.manual_seed(SEED)
    return torch.nn.Sequential(torch.nn.Linear(50, 128), torch.nn.ReLU(), torch.nn.Linear(128, 2))

EPOCHS = 12
model = create_model()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=.05)
loss_fn = torch.nn.CrossEntropyLoss()
val_acc = []
for fold, (tr, va) in enumerate(KFold(5, shuffle=True, random_state=SEED).split(feats)):
    model = create_model()  #@ pass
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=.05)  #@ pass
    train_loader = DataLoader(dataset, batch_size=32, sampler=SubsetRandomSampler(tr))
    val_loader = DataLoader(dataset, batch_size=64, sampler=SubsetRandomSampler(va))
    for epoch in range(EPOCHS):
        model.train()
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss_fn(model(xb), yb).backward()
            optimizer.step()
    model.eval(); ok = 0
    with torch.no_grad():
        for xb, yb in val_loader:
            ok += (model(xb).argmax(1) == yb).sum().item()
    val_acc.append(ok / len(va)); print('fold', fold, 'val acc', round(val_acc[-1], 3))
print('mean cv accuracy', round(float(np.mean(val_acc)), 3))
