"""`python -m telegrad._cli`: the same as the command `telegrad`."""

import sys

from . import main

sys.exit(main())
