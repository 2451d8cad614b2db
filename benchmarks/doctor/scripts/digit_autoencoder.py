#= bounded_output
# https://stackoverflow.com/questions/44601367 and many "autoencoder outputs grey" questions: the images are normalised to [-1, 1] but the decoder ends in a sigmoid, which cannot go below 0; a right diagnosis says tanh or data in [0, 1].
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(7)
images = torch.tensor(load_digits().data, dtype=torch.float32)
images = (images / 16.0 - 0.5) / 0.5
images = images[torch.randperm(len(images))]
train_loader = DataLoader(TensorDataset(images[:1500]), batch_size=50, shuffle=True)
test_images = images[1500:]


class AutoEncoder(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code))
        squash = nn.Tanh()  #@ squash = nn.Sigmoid()
        self.decoder = nn.Sequential(
            nn.Linear(code, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            squash,
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


ae = AutoEncoder()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(ae.parameters(), lr=2e-3, weight_decay=1e-6)
num_epochs = 40
for epoch in range(num_epochs):
    for (img,) in train_loader:
        output = ae(img)
        loss = criterion(output, img)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        print('epoch [{}/{}], loss:{:.4f}'.format(epoch + 1, num_epochs, loss.item()))

with torch.no_grad():
    err = criterion(ae(test_images), test_images).item()
    base = test_images.var(0).mean().item()
print(f"test reconstruction mse {err:.4f}  (mean image: {base:.4f})")
