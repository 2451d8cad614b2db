#= update_too_small, slow_convergence, direction_consistent, too_few_steps
"""Wine with plain gradient descent, the whole table at once, and a few epochs only."""
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

EPOCHS = 400  #@ EPOCHS = 20
torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
mean, std = X_train.mean(0), X_train.std(0)
X_train, X_test = torch.tensor((X_train - mean) / std).float(), torch.tensor((X_test - mean) / std).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

model = torch.nn.Sequential(torch.nn.Linear(13, 10), torch.nn.Sigmoid(), torch.nn.Linear(10, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = torch.nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    optimizer.zero_grad()
    loss = criterion(model(X_train), y_train)
    loss.backward()
    optimizer.step()
    if epoch % (EPOCHS // 5) == 0:
        print(epoch, loss.item())
with torch.no_grad():
    print("final", loss.item(), "test accuracy", (model(X_test).argmax(1) == y_test).float().mean().item())
