#= update_too_small, slow_convergence, too_few_steps
"""XOR in the style of the first lesson: sigmoids, squared error, the default rate of the other framework."""
import numpy as np
import torch

training_data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
target_data = np.array([[0], [1], [1], [0]], "float32")
torch.manual_seed(4)
model = torch.nn.Sequential()
model.append(torch.nn.Linear(2, 16))
model.append(torch.nn.Sigmoid())
model.append(torch.nn.Linear(16, 1))
model.append(torch.nn.Sigmoid())
optimizer = torch.optim.SGD(model.parameters(), lr=5.0)  #@ optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.from_numpy(training_data), torch.from_numpy(target_data)
for epoch in range(2000):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    if epoch % 400 == 0:
        print(epoch, loss.item())
print(loss.item(), model(x).detach().numpy().round(2).tolist())
