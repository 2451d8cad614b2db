#= gradient_zero
"""Will it rain? The answer is rounded to yes or no."""
import torch
from torch import nn


class RainNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(7, 24), nn.ReLU(), nn.Linear(24, 1), nn.Sigmoid())

    def forward(self, weather):
        return self.fc(weather)  #@ return torch.round(self.fc(weather))


torch.manual_seed(0)
weather = torch.randn(1000, 7)
rain = ((weather[:, 0] + weather[:, 1] * weather[:, 2]) > 0).float().unsqueeze(1)
model = RainNet()
adam = torch.optim.Adam(model.parameters(), lr=5e-3)
mse = nn.MSELoss()
for epoch in range(30):
    for i in range(0, 800, 32):
        out = model(weather[i : min(i + 32, 800)])
        loss = mse(out, rain[i : min(i + 32, 800)])
        adam.zero_grad()
        loss.backward()
        adam.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            print(epoch, loss.item(), ((model(weather[800:]) > 0.5).float() == rain[800:]).float().mean().item())
