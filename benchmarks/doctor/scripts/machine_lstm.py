#= samples_mixed
"""How does the machine run? Classify noisy recordings with an LSTM."""
import torch
import torch.nn as nn

torch.manual_seed(0)
seq_len, n_train, n_test = 30, 640, 200


def make_recordings(n):
    """Noisy readings of a machine that idles low, normal or high."""
    kind = torch.randint(0, 3, (n,))
    level = torch.tensor([-0.7, 0.0, 0.7])[kind]
    return (level[:, None] + torch.randn(n, seq_len)).unsqueeze(2), kind


class LSTMClassifier(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.lstm = nn.LSTM(input_dim, hidden_dim, batch_first=True)  #@ self.lstm = nn.LSTM(input_dim, hidden_dim)
        self.fc = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        # x: (batch, seq_len, features)
        out, (h_n, c_n) = self.lstm(x)
        return self.fc(out[:, -1, :])


x_train, y_train = make_recordings(n_train)
x_test, y_test = make_recordings(n_test)
model = LSTMClassifier(1, 32, 3)
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    for i in torch.randperm(n_train).split(32):
        model.zero_grad()
        scores = model(x_train[i])
        loss = loss_function(scores, y_train[i])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            acc = (model(x_test).argmax(1) == y_test).float().mean().item()
        print('epoch', epoch, 'loss', loss.item(), 'test accuracy', acc)
