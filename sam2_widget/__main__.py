"""``python -m sam2_widget`` is ``sam2-widget``."""

import sys

from sam2_widget.cli import main

sys.exit(main())
