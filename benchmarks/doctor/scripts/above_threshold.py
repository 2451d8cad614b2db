#= inputs_unscaled
# https://geeksmental.com/question/why-does-accuracy-remain-the-same (Keras, numbers up to 100000 fed raw, accuracy stays 0.5): the single input is of order 1e5; a right diagnosis says scale the input.
import random
import numpy as np
import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
threshold = 50000
samples = 2000

train_data = []
for i in range(samples):
    train_data.append([random.randrange(0, threshold), 0])
    train_data.append([random.randrange(threshold, 2 * threshold), 1])
random.shuffle(train_data)
data_set = torch.tensor(np.array(train_data), dtype=torch.float32)

input_value = data_set[:, 0:1] / threshold - 1.0  #@ input_value = data_set[:, 0:1]
expected_result = data_set[:, 1:2]
n_train = 3200

model = nn.Sequential(
    nn.Linear(1, 8), nn.ReLU(),
    nn.Linear(8, 8), nn.ReLU(),
    nn.Linear(8, 1),
)
loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(12):
    order = torch.randperm(n_train)
    losses = []
    for b in range(0, n_train, 32):
        i = order[b:b + 32]
        opt.zero_grad()
        loss = loss_fn(model(input_value[i]), expected_result[i])
        loss.backward()
        opt.step()
        losses.append(loss.item())
    with torch.no_grad():
        z = model(input_value[n_train:])
        acc = ((z > 0).float() == expected_result[n_train:]).float().mean()
    print(f"epoch {epoch+1}  loss {np.mean(losses):.4f}  test acc {acc*100:.2f}%")
