#= loss_broadcasts
#!/usr/bin/env python
# coding: utf-8

# # Diabetes progression with PyTorch

# In[1]:


import numpy as np
import torch
from sklearn import datasets
from sklearn.model_selection import train_test_split


# In[2]:


X, y = datasets.load_diabetes(return_X_y=True)
X = X / X.std(axis=0)
y = (y - y.mean()) / y.std()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=3)
X_train.shape, y_train.shape


# In[3]:


X_train = torch.FloatTensor(X_train)
X_test = torch.FloatTensor(X_test)
y_train = torch.FloatTensor(y_train).view(-1, 1)  #@ y_train = torch.FloatTensor(y_train)
y_test = torch.FloatTensor(y_test)


# In[4]:


torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(10, 16),
    torch.nn.Tanh(),
    torch.nn.Linear(16, 1),
)


def mse(t1, t2):
    diff = t1 - t2
    return torch.sum(diff * diff) / diff.numel()


# In[5]:


losses = []
opt = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-2)
for epoch in range(60):
    order = np.random.RandomState(epoch).permutation(len(X_train))
    for k in range(0, len(order), 16):
        sel = order[k:k + 16]
        preds = model(X_train[sel])
        loss = mse(preds, y_train[sel])
        loss.backward()
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    if epoch % 10 == 9:
        print('epoch', epoch, 'loss', np.mean(losses[-22:]))


# In[6]:


with torch.no_grad():
    p = model(X_test).squeeze(1)
r2 = 1 - ((p - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
print('R2 on test:', r2.item())
print('first predictions', p[:5].numpy(), 'truth', y_test[:5].numpy())
