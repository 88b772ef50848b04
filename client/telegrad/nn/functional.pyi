"""`torch.nn.functional`: the declared ops of that namespace, and overloads of them.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from telegrad.functional import *
