#= wrong_loss_family
"""Which of six activities somebody does, from a phone. The number of the activity is the target."""
import torch
from torch import nn

torch.manual_seed(0)
centers = torch.randn(6, 9) * 1.2
activity = torch.randint(0, 6, (1500,))
sensor = centers[activity] + torch.randn(1500, 9)
train_x, train_y, test_x, test_y = sensor[:1200], activity[:1200], sensor[1200:], activity[1200:]
model = nn.Sequential(nn.Linear(9, 40), nn.ReLU(), nn.Linear(40, 6))  #@ model = nn.Sequential(nn.Linear(9, 40), nn.ReLU(), nn.Linear(40, 1))
loss_fn = nn.CrossEntropyLoss()  #@ loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for idx in torch.randperm(1200).split(30):
        prediction = model(train_x[idx])
        loss = loss_fn(prediction, train_y[idx])  #@ loss = loss_fn(prediction, train_y[idx].float().unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            answer = model(test_x)
            answer = answer.argmax(1)  #@ answer = answer.round().squeeze(1)
        print(f"epoch {epoch}: loss {loss.item():.3f}, test accuracy {(answer == test_y).float().mean():.3f}")
