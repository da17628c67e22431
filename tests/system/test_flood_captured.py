"""The floods again, against a daemon that captures."""

import test_flood
from test_intake import Captured


class CapturedFloodTest(Captured, test_flood.FloodTest):
    pass
