#= eval_mode_in_training
# https://github.com/fartashf/vsepp/issues/4 and https://github.com/ermongroup/ncsn/issues/2: validate() is called inside the epoch and leaves the model in eval mode, so dropout and batch norm are off for the rest of training; a right diagnosis says call model.train() after validation.
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

torch.manual_seed(0)
X, y = make_classification(n_samples=1500, n_features=120, n_informative=12, n_redundant=0, class_sep=1.2,
                           flip_y=0.02, random_state=3)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y)
mean, std = X[:300].mean(0), X[:300].std(0)
X = (X - mean) / std
x_train, y_train, x_val, y_val = X[:300], y[:300], X[300:], y[300:]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(120, 256)
        self.bn1 = nn.BatchNorm1d(256)
        self.fc2 = nn.Linear(256, 128)
        self.bn2 = nn.BatchNorm1d(128)
        self.drop = nn.Dropout(0.6)
        self.out = nn.Linear(128, 2)

    def forward(self, x):
        x = self.drop(torch.relu(self.bn1(self.fc1(x))))
        x = self.drop(torch.relu(self.bn2(self.fc2(x))))
        return self.out(x)

    def val_start(self):
        self.eval()

    def train_start(self):
        self.train()


def validate(model):
    model.val_start()
    with torch.no_grad():
        out = model(x_val)
        return nn.functional.cross_entropy(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()


model = Model()
opt = torch.optim.Adam(model.parameters(), lr=5e-4)
val_step, Eiters = 5, 0
model.train_start()
for epoch in range(40):
    for idx in torch.randperm(300).split(50):
        Eiters += 1
        loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if Eiters % val_step == 0:
            val_loss, val_acc = validate(model)
            model.train_start()  #@
    if epoch % 8 == 7:
        print(f"epoch {epoch+1} train loss {loss.item():.4f} val loss {val_loss:.4f} val acc {val_acc:.3f}")
