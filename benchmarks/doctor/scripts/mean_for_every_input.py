#= update_too_small, slow_convergence
"""After a famous video: two sigmoid layers, squared errors, gradients of single pictures summed up to a batch."""
import torch
from sklearn.datasets import load_digits


class Net(torch.nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.layer1 = torch.nn.Linear(64, 80)
        self.layer2 = torch.nn.Linear(80, 10)

    def forward(self, x):
        x = torch.sigmoid(self.layer1(x))
        x = torch.sigmoid(self.layer2(x))
        return x


torch.manual_seed(0)
batch_size = 16
images, digit = load_digits(return_X_y=True)
images, digit = torch.tensor(images).float() / 16, torch.tensor(digit)
training_loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images[:1200], digit[:1200]), batch_size=batch_size, shuffle=True)
net = Net()
loss_function = torch.nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)  #@ optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
for epoch in range(3):
    for pictures, labels in training_loader:
        optimizer.zero_grad()
        for i in range(batch_size):
            output = net(pictures[i])
            desired_output = torch.tensor([float(j == labels[i]) for j in range(10)])
            loss = loss_function(output, desired_output)
            loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), (net(images[1200:]).argmax(1) == digit[1200:]).float().mean().item())
