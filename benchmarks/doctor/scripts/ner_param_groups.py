#= not_in_optimizer
# https://github.com/zjunlp/HVPNeT/issues/5: a parameter group is built but parameters.append(params) is forgotten for it, so these layers are never trained; a right diagnosis says some parameters are missing from the optimizer.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
V, T, TAGS = 60, 12, 5
rule = torch.randint(0, TAGS, (V, 2))


def corpus(n):
    w = torch.randint(0, V, (n, T))
    prev_even = torch.cat([torch.zeros(n, 1, dtype=torch.long), w[:, :-1] % 2], 1)
    tags = rule[w, prev_even]
    return w, tags


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder_emb = nn.Embedding(V, 16)
        self.encoder_rnn = nn.GRU(16, 32, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(64, TAGS)

    def forward(self, w):
        return self.fc(self.encoder_rnn(self.encoder_emb(w))[0])


class Trainer:
    def __init__(self, model, train_data, dev_data, lr=3e-3):
        self.model, self.dev = model, dev_data
        self.loader = DataLoader(TensorDataset(*train_data), batch_size=40, shuffle=True)
        self.lr = lr
        self.before_train()

    def before_train(self):
        parameters = []
        params = {"lr": self.lr * 2, "params": []}
        for name, param in self.model.named_parameters():
            if name.startswith("fc"):
                params["params"].append(param)
        parameters.append(params)
        params = {"lr": self.lr, "params": []}
        for name, param in self.model.named_parameters():
            if name.startswith("encoder"):
                params["params"].append(param)
        parameters.append(params)  #@
        self.optimizer = torch.optim.AdamW(parameters, weight_decay=1e-3)

    def train(self, epochs):
        for ep in range(1, epochs + 1):
            self.model.train()
            tot = 0
            for w, t in self.loader:
                self.optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self.model(w).reshape(-1, TAGS), t.reshape(-1))
                loss.backward()
                self.optimizer.step()
                tot += loss.item()
            self.model.eval()
            with torch.no_grad():
                acc = (self.model(self.dev[0]).argmax(-1) == self.dev[1]).float().mean().item()
            print(f"epoch {ep}: loss {tot/len(self.loader):.4f}, dev token accuracy {acc:.4f}")


Trainer(Tagger(), corpus(1200), corpus(300)).train(15)
