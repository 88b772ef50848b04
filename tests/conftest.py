"""What holds for all tests."""

from hypothesis import settings

# A busy machine is no failure: examples have no deadline of their own, tests have pytest's.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
