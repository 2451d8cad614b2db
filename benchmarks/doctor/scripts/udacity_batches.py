#= targets_shuffled
#: https://github.com/udacity/sdc-issue-reports/issues/1326 ; every epoch the features and the labels are shuffled with different orders, so the pairs are broken; diagnosis: one permutation for both.
import numpy as np, torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
np.random.seed(0); torch.manual_seed(0)

data = load_iris()
X_tr, X_te, y_tr, y_te = train_test_split(data.data, data.target, test_size=50, random_state=7, stratify=data.target)
sc = StandardScaler().fit(X_tr)
X_tr, X_te = sc.transform(X_tr).astype('float32'), sc.transform(X_te).astype('float32')

def batches(batch_size, features, labels):
    assert len(features) == len(labels)
    order = np.random.permutation(len(features))
    features = features[order]
    labels = labels[order]  #@ labels = labels[np.random.permutation(len(labels))]
    for start in range(0, len(features), batch_size):
        end = start + batch_size
        yield torch.from_numpy(features[start:end]), torch.from_numpy(labels[start:end])

W1 = (torch.randn(4, 16) * .3).requires_grad_()
b1 = torch.zeros(16, requires_grad=True)
W2 = (torch.randn(16, 3) * .3).requires_grad_()
b2 = torch.zeros(3, requires_grad=True)
net = lambda x: torch.tanh(x @ W1 + b1) @ W2 + b2
for epoch in range(60):
    for xb, yb in batches(16, X_tr, y_tr):
        loss = torch.nn.functional.cross_entropy(net(xb), yb)
        loss.backward()
        with torch.no_grad():
            for w in (W1, b1, W2, b2):
                w -= 0.1 * w.grad
                w.grad.zero_()
    if epoch % 20 == 0: print(epoch, loss.item())
print('test accuracy', (net(torch.from_numpy(X_te)).argmax(1).numpy() == y_te).mean(), 'last loss', loss.item())
