#= no_activation
import torch

# the four rows of the truth table
X = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
Y = torch.tensor([[0.], [1.], [1.], [0.]])

torch.manual_seed(3)


class XOR(torch.nn.Module):
    def __init__(self, input_dim=2, hidden_dim=8, output_dim=1):
        super(XOR, self).__init__()
        self.lin1 = torch.nn.Linear(input_dim, hidden_dim)
        self.lin2 = torch.nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        x = self.lin1(x)
        x = torch.tanh(x)  #@
        x = self.lin2(x)
        return torch.sigmoid(x)


model = XOR()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
loss_func = torch.nn.BCELoss()

for i in range(800):
    optimizer.zero_grad()
    y_hat = model(X)
    loss = loss_func(y_hat, Y)
    loss.backward()
    optimizer.step()
    if i % 100 == 0:
        print("Epoch: {0}, Loss: {1}".format(i, loss.item()))

print(model(X).detach().flatten(), 'should be', Y.flatten())
