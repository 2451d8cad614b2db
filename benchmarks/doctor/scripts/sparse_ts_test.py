#= evaluation_wrong
# https://github.com/lss-1138/SparseTSF/issues/3 "drop_last=True for test dataset may lead to inaccurate test results": the last partial batch of the (ordered) test series is not evaluated; the training is fine, a right diagnosis says drop_last must be False for testing.
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SEQ_LEN, PRED_LEN = 48, 12


class Dataset_Custom(Dataset):
    def __init__(self, flag):
        rng = np.random.default_rng(0)
        t = np.arange(2600)
        s = np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(2 * np.pi * t / 168) + 0.1 * rng.normal(size=len(t))
        # the machine becomes noisier at the end
        s[2400:] += 0.8 * rng.normal(size=200)
        a, b = {"train": (0, 1800), "test": (1800, 2600)}[flag]
        mean, std = s[:1800].mean(), s[:1800].std()
        self.data = torch.tensor((s[a:b] - mean) / std, dtype=torch.float32)

    def __len__(self):
        return len(self.data) - SEQ_LEN - PRED_LEN + 1

    def __getitem__(self, i):
        return self.data[i:i + SEQ_LEN], self.data[i + SEQ_LEN:i + SEQ_LEN + PRED_LEN]


def data_provider(flag, batch_size=256):
    if flag == 'test':
        shuffle_flag, drop_last = False, False  #@ shuffle_flag, drop_last = False, True
    else:
        shuffle_flag, drop_last, batch_size = True, True, 64
    ds = Dataset_Custom(flag)
    print(flag, len(ds))
    return DataLoader(ds, batch_size=batch_size, shuffle=shuffle_flag, drop_last=drop_last)


class Exp_Main:
    def __init__(self):
        torch.manual_seed(2023)
        self.model = nn.Sequential(nn.Linear(SEQ_LEN, 64), nn.ReLU(), nn.Linear(64, PRED_LEN))

    def train(self, epochs=20):
        loader = data_provider('train')
        optim = torch.optim.Adam(self.model.parameters(), lr=2e-3)
        for e in range(epochs):
            self.model.train()
            losses = []
            for bx, by in loader:
                optim.zero_grad()
                loss = nn.functional.mse_loss(self.model(bx), by)
                loss.backward()
                optim.step()
                losses.append(loss.item())
            if e % 5 == 4:
                print("Epoch: {} | Train Loss: {:.5f}".format(e + 1, np.mean(losses)))

    def test(self):
        loader = data_provider('test')
        self.model.eval()
        preds, trues = [], []
        with torch.no_grad():
            for bx, by in loader:
                preds.append(self.model(bx))
                trues.append(by)
        preds, trues = torch.cat(preds), torch.cat(trues)
        print('test shape:', tuple(preds.shape))
        print('mse:{:.4f}, mae:{:.4f}'.format(((preds - trues) ** 2).mean().item(), (preds - trues).abs().mean().item()))


exp = Exp_Main()
exp.train()
exp.test()
