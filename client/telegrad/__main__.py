"""`python -m telegrad`: the same as the command `telegrad`."""

import sys

from ._cli import main

sys.exit(main())
