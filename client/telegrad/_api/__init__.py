"""PyTorch's functions and methods, as far as they are no ops: overloads, creation, indexing, host tensors, printing."""
