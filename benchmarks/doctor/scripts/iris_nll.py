#= log_of_probabilities
# remembered: PyTorch forum "NLLLoss gives negative loss": nn.NLLLoss gets raw linear outputs, the loss falls to minus infinity and nothing useful is learnt; a right diagnosis says log_softmax or CrossEntropyLoss.
import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(1234)
iris = load_iris()
X_train, X_test, y_train, y_test = train_test_split(iris.data, iris.target, test_size=0.3, random_state=7, stratify=iris.target)
scaler = StandardScaler().fit(X_train)
X_train = torch.FloatTensor(scaler.transform(X_train))
X_test = torch.FloatTensor(scaler.transform(X_test))
y_train, y_test = torch.LongTensor(y_train), torch.LongTensor(y_test)


class Model(nn.Module):
    def __init__(self, in_features=4, h1=16, h2=12, out_features=3):
        super().__init__()
        self.fc1 = nn.Linear(in_features, h1)
        self.fc2 = nn.Linear(h1, h2)
        self.out = nn.Linear(h2, out_features)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = self.out(x)
        x = torch.log_softmax(x, dim=1)  #@
        return x


model = Model()
criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
losses = []
for i in range(200):
    y_pred = model(X_train)
    loss = criterion(y_pred, y_train)
    losses.append(loss.item())
    if i % 20 == 0:
        print(f'Epoch {i} and loss is: {losses[-1]:.4f}')
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    pred = model(X_test).argmax(1)
print("test accuracy", (pred == y_test).float().mean().item(), " last loss", losses[-1])
