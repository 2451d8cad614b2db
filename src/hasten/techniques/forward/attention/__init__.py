"""Attention as people write it, led to torch's fused kernel.

products.py     the batched matrix products, in all their spellings
chain.py        what has been asked of the scores so far, and the fused attention that comes of it
absorbing.py    the torch functions that may stand between the two products
scores.py       a tensor of scores that is not computed unless something other than attention is done with it
recognizing.py  putting products off while a module runs; which modules of a model to do it in
multihead.py    nn.MultiheadAttention whose weights nobody uses
in_products.py  attention as batched products over blocks of queries
in_kernel.py    attention in bfloat16 by a kernel of our own (kernels.cpp, built by techniques/native.py)
"""
