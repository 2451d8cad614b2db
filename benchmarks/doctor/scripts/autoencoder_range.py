#= bounded_output
"""An autoencoder for 8 x 8 digits that are normalized to [-1, 1]."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 16))
        self.decode = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 64))
        self.squash = nn.Tanh()  #@ self.squash = nn.Sigmoid()

    def forward(self, image):
        code = self.encode(image)
        return self.squash(self.decode(code))


torch.manual_seed(0)
pictures = torch.tensor(load_digits().data, dtype=torch.float32) / 16
pictures = (pictures - 0.5) / 0.5
loader = DataLoader(pictures[:1500], batch_size=32, shuffle=True)
ae = AutoEncoder()
optimizer = torch.optim.Adam(ae.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(15):
    seen = 0.0
    for batch in loader:
        rebuilt = ae(batch)
        loss = criterion(rebuilt, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item()
    with torch.no_grad():
        rest = criterion(ae(pictures[1500:]), pictures[1500:])
    if epoch % 3 == 2:
        print("epoch", epoch, "train", seen / len(loader), "held out", rest.item())
