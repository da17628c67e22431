"""How much of what can be repeated without end: enough to find a fault of its kind, or, with
POSTERN_THOROUGH=1 in the environment, as much as an hour allows."""

import os


def thorough(usual, most):
    return most if os.environ.get("POSTERN_THOROUGH") == "1" else usual
