"""Run by Ray in each of its workers: lets a test pause the model in the middle of a click.

While the folder in SAM2_TEST_HOLD has a file `hold`, the decoder writes its process id and waits.
"""

import os
import time
from pathlib import Path

from sam2_widget.models import checkpoints


def hold_clicks():
    """Wrap the decoder as soon as a model is loaded; workers without one need no torch."""
    load = checkpoints._load

    def load_and_wrap(*args, **kwargs):
        predictor = load(*args, **kwargs)
        wrap(type(predictor))
        return predictor

    checkpoints._load = load_and_wrap


def wrap(predictor_type):
    folder, predict = Path(os.environ["SAM2_TEST_HOLD"]), predictor_type._predict_in_window

    def held(self, *args, **kwargs):
        found = predict(self, *args, **kwargs)
        if (folder / "hold").exists():
            (folder / f"held-{os.getpid()}").touch()
        while (folder / "hold").exists():
            time.sleep(0.01)
        return found

    predictor_type._predict_in_window = held
