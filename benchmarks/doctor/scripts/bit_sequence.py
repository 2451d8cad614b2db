#= wrong_loss_family, output_ignores_input
# https://stackguides.com/questions/46620813 (Keras LSTM not learning binary sequence: Dense(1, activation="softmax")): softmax over one unit is always 1, so the output is constant; a right diagnosis says use a sigmoid (or two outputs).
import random
import torch
import torch.nn as nn

random.seed(3)
torch.manual_seed(3)

seq = [0, 1, 1]
for _ in range(3000):
    nxt = seq[-1] ^ seq[-3]
    if random.random() < 0.02:
        nxt = 1 - nxt
    seq.append(nxt)
bits = torch.tensor(seq, dtype=torch.float32)
vecX = torch.stack([bits[i:i + 3] for i in range(len(bits) - 3)]).unsqueeze(-1)
vecY = bits[3:].unsqueeze(-1)
n = 2400
trX, trY, teX, teY = vecX[:n], vecY[:n], vecX[n:], vecY[n:]


class BitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 16, batch_first=True)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        z = self.out(h[-1])
        return torch.sigmoid(z)  #@ return torch.softmax(z, dim=1)


model = BitNet()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_fn = nn.BCELoss()
for epoch in range(1, 21):
    perm = torch.randperm(n)
    running = 0.0
    for b in range(0, n, 64):
        i = perm[b:b + 64]
        p = model(trX[i])
        loss = loss_fn(p, trY[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(i)
    with torch.no_grad():
        acc = ((model(teX) > 0.5).float() == teY).float().mean().item()
    print("Epoch %d/20 - loss: %.4f - val_acc: %.4f" % (epoch, running / n, acc))
