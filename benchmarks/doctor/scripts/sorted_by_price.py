#= ordered_data
"""Flats of a list that is sorted by price."""
import torch
from torch import nn

torch.manual_seed(0)
flats = torch.randn(900, 7)
price = flats[:, 0] * 1.5 + flats[:, 1] - 0.5 * flats[:, 2] * flats[:, 3] + 0.2 * torch.randn(900)
test_flats, test_price = flats[720:], price[720:]
flats, price = flats[:720], price[:720]
order = price.argsort()
flats, price = flats[order], price[order]
loader = torch.utils.data.DataLoader(list(zip(flats, price)), batch_size=36, shuffle=True)  #@ loader = torch.utils.data.DataLoader(list(zip(flats, price)), batch_size=36)
net = nn.Sequential(nn.Linear(7, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
sgd = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
for epoch in range(15):
    for f, p in loader:
        sgd.zero_grad()
        loss = nn.functional.mse_loss(net(f), p)
        loss.backward()
        sgd.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            print(epoch, loss.item(), nn.functional.mse_loss(net(test_flats), test_price).item())
