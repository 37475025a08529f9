"""Repeatable load scripts: every figure beside its yardstick, from the same run (`make bench`)."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# The registry that tests run is the one that imports are measured with.
sys.path.append(str(ROOT / "tests"))
