"""`torch.nn.functional`: the declared ops of that namespace, and the forms of them that are written here.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from telegrad.functional import *
