#= samples_mixed
# https://github.com/Exorust/TorchLeet/issues/5 - TransformerEncoderLayer without batch_first on (batch, seq, feature) data attends over the batch; right: batch_first=True.
import torch
from torch import nn, optim

torch.manual_seed(42)
seq_length, num_samples, input_dim = 10, 640, 1
X = torch.rand(num_samples, seq_length, input_dim)
y = X.sum(dim=1) - 5
Xv = torch.rand(160, seq_length, input_dim)
yv = Xv.sum(dim=1) - 5


class TransformerModel(nn.Module):
    def __init__(self, input_dim, embed_dim, num_heads, num_layers, ff_dim, output_dim):
        super().__init__()
        self.input_embedding = nn.Linear(input_dim, embed_dim)
        self.transformer_encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                d_model=embed_dim, nhead=num_heads, dim_feedforward=ff_dim, dropout=0.0,
                batch_first=True,  #@
            ),
            num_layers=num_layers,
        )
        self.output_layer = nn.Linear(embed_dim, output_dim)

    def forward(self, x):
        h = self.transformer_encoder(self.input_embedding(x))
        return self.output_layer(h[:, -1])


model = TransformerModel(input_dim, 16, 2, 2, 32, 1)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    for xb, yb in zip(X.split(64), y.split(64)):
        loss = criterion(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    r2 = 1 - criterion(model(Xv), yv) / yv.var()
print(f"validation R2 {r2.item():.3f}")
