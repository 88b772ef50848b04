"""`torch.nn.functional`: the very same module as `telegrad.functional`."""

import sys

from telegrad import functional

sys.modules[__name__] = functional
