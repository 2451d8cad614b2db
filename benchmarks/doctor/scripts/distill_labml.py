#= term_without_gradient
#: the teacher's logits are used on both sides of the KL, the distillation stops (annotated_deep_learning_paper_implementations issue 66)
"""Knowledge distillation: a trained large net teaches a small one from many unlabelled and few labelled digits."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(14)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
p = torch.randperm(len(x))
x, y = x[p], y[p]
x_train, y_train, x_valid, y_valid = x[:1300], y[:1300], x[1300:], y[1300:]


class Configs:
    epochs = 30
    batch_size = 50
    temperature = 4.0
    label_weight = 0.1
    n_labelled = 30                         # the student sees few true labels

    def __init__(self):
        self.large = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
        self.model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
        self.kl_div_loss = nn.KLDivLoss(reduction="batchmean", log_target=True)
        self.loss_func = nn.CrossEntropyLoss()

    def train_large(self):
        opt = torch.optim.Adam(self.large.parameters(), lr=2e-3)
        for _ in range(10):
            for b in torch.randperm(len(x_train)).split(50):
                loss = self.loss_func(self.large(x_train[b]), y_train[b])
                opt.zero_grad()
                loss.backward()
                opt.step()
        self.large.eval()

    def step(self, optimizer, idx):
        data = x_train[idx]
        with torch.no_grad():
            large_logits = self.large(data)
        output = self.model(data)
        soft_targets = F.log_softmax(large_logits / self.temperature, dim=-1)
        soft_prob = F.log_softmax(output / self.temperature, dim=-1)  #@ soft_prob = F.log_softmax(large_logits / self.temperature, dim=-1)
        soft_targets_loss = self.kl_div_loss(soft_prob, soft_targets)
        lab = torch.randint(0, self.n_labelled, (10,))
        label_loss = self.loss_func(self.model(x_train[lab]), y_train[lab])
        loss = self.temperature ** 2 * soft_targets_loss + self.label_weight * label_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return soft_targets_loss.item(), label_loss.item()

    @torch.no_grad()
    def accuracy(self, net):
        net.eval()
        acc = (net(x_valid).argmax(-1) == y_valid).float().mean().item()
        net.train()
        return acc


conf = Configs()
conf.train_large()
print("large model valid accuracy", round(conf.accuracy(conf.large), 4))
conf.large.eval()
optimizer = torch.optim.Adam(conf.model.parameters(), lr=2e-3)
for epoch in range(conf.epochs):
    for idx in torch.randperm(len(x_train)).split(conf.batch_size):
        soft, label = conf.step(optimizer, idx)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss.soft {soft:.4f} loss.label {label:.4f} accuracy.valid {conf.accuracy(conf.model):.4f}")
print("small model valid accuracy", round(conf.accuracy(conf.model), 4))
