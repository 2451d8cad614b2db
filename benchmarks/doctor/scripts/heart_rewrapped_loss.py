#= loss_detached
#: loss is re-wrapped with Variable(loss.data, requires_grad=True), which cuts the graph; nothing is trained
"""Heart disease prediction (tabular), old style PyTorch."""
import torch
import torch.nn as nn
import torch.utils.data as Data
from torch.autograd import Variable

torch.manual_seed(99)
EPOCH, BATCH_SIZE, LR = 15, 25, 0.01

# age, blood pressure, cholesterol, max heart rate, chest pain type, sex
num = 700
age = torch.randn(num)
bp = 0.4 * age + torch.randn(num)
chol = 0.3 * age + torch.randn(num)
hr = -0.5 * age + torch.randn(num)
pain = torch.randint(0, 4, (num,)).float()
sex = torch.randint(0, 2, (num,)).float()
risk = 1.2 * age + 0.9 * bp + 0.8 * chol - hr + 1.1 * (pain - 1.5) + 1.0 * (sex - 0.5)
disease = (risk + 0.7 * torch.randn(num) > 0).long()
table = torch.stack([age, bp, chol, hr, pain, sex], 1)

train_data = Data.TensorDataset(table[:500], disease[:500])
loader = Data.DataLoader(dataset=train_data, batch_size=BATCH_SIZE, shuffle=True)
test_x, test_y = Variable(table[500:]), disease[500:]


class MLP(nn.Module):
    def __init__(self):
        super(MLP, self).__init__()
        self.hidden = nn.Linear(6, 24)
        self.bn = nn.BatchNorm1d(24)
        self.predict = nn.Linear(24, 2)

    def forward(self, x):
        x = torch.relu(self.bn(self.hidden(x)))
        return self.predict(x)


mlp = MLP()
optimizer = torch.optim.Adam(mlp.parameters(), lr=LR)
loss_func = nn.CrossEntropyLoss()

for epoch in range(EPOCH):
    mlp.train()
    for step, (b_x, b_y) in enumerate(loader):
        output = mlp(Variable(b_x))
        loss = loss_func(output, Variable(b_y))
        #+ loss = Variable(loss.data, requires_grad=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    mlp.eval()
    test_output = mlp(test_x)
    pred_y = torch.max(test_output, 1)[1].data
    accuracy = float((pred_y == test_y).sum()) / float(test_y.size(0))
    print('Epoch: ', epoch, '| train loss: %.4f' % loss.data, '| test accuracy: %.2f' % accuracy)
