"""`torch.nn.functional`: the same module object as `telegrad.functional`."""

import sys

from telegrad import functional

sys.modules[__name__] = functional
