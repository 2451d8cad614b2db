#= inputs_unscaled, update_too_large, diverging
"""Straight line through the salaries of a small firm: years of work from 1 to 40."""
import torch

torch.manual_seed(0)
years = torch.randint(1, 41, (150, 1)).float()
salary = 1.8 + 0.12 * years + 0.2 * torch.randn(150, 1)
years = (years - years.mean()) / years.std()  #@
line = torch.nn.Linear(1, 1)
criterion = torch.nn.MSELoss()
sgd = torch.optim.SGD(line.parameters(), lr=0.01)
for epoch in range(200):
    prediction = line(years)
    loss = criterion(prediction, salary)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    if epoch % 40 == 0:
        print("epoch {}, loss {}".format(epoch, loss.item()))
print(loss.item())
