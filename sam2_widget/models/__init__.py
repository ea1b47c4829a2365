"""Models: checkpoints by name, the threads that run them, and image embeddings."""

import os
import sys

# Threads that spin while they wait slow each other down beside a second busy process: 20 times
# slower on two cores. This must be set before torch starts its threads, so before any module here
# imports it.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
