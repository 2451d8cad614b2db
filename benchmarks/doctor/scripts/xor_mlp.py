#= no_activation
# https://discuss.pytorch.org/t/13287 "Unable to learn XOR representation using 2 layers of MLP": there is no activation between the two linear layers, so the model is linear; a right diagnosis asks for a nonlinearity.
import numpy as np
import torch
from torch import nn, optim

torch.manual_seed(5)
np.random.seed(5)
corners = np.random.randint(0, 2, size=(1000, 2))
X = torch.tensor(corners + 0.12 * np.random.randn(1000, 2), dtype=torch.float32)
Y = torch.tensor(corners[:, 0] ^ corners[:, 1], dtype=torch.float32).view(-1, 1)
X_train, Y_train, X_test, Y_test = X[:800], Y[:800], X[800:], Y[800:]

input_dim, hidden_dim, output_dim = 2, 12, 1
layers = [nn.Linear(input_dim, hidden_dim)]
layers.append(nn.ReLU())  #@
layers += [nn.Linear(hidden_dim, output_dim), nn.Sigmoid()]
model = nn.Sequential(*layers)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9)

for epoch in range(60):
    for i in torch.randperm(800).split(40):
        predictions = model(X_train[i])
        loss = criterion(predictions, Y_train[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            acc = ((model(X_test) > 0.5).float() == Y_test).float().mean().item()
        print("epoch %3d  mse %.4f  test accuracy %.3f" % (epoch + 1, loss.item(), acc))
