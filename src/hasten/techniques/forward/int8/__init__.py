"""int8 training of linear layers: all three products of a layer in int8, parameters and optimizer as they were.

quantize.py     numbers to int8 codes and back: the elementwise work
kernels.cpp     the same work in C++ (built by techniques/native.py)
running.py      how the work is run: compiled where possible, in pieces, on kept memory
product.py      the three products of a linear layer, as operators of torch
autograd.py     autograd over them
linear.py       the layer: an `nn.Linear` that trains in int8 and is judged in its own format
support.py      whether this processor multiplies int8 exactly and fast
layers.py       which layers of a model qualify
convert.py      from a plain model to one that trains in int8, and back
gpu.py          the same on a GPU, through torchao
"""
