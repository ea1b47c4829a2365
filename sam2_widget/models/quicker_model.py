"""Names, once in a kernel, a model that is quicker than the one that was loaded on a CPU."""

from __future__ import annotations

import threading
from importlib.util import find_spec

from sam2_widget.models.published import is_published
from sam2_widget.predictor import Predictor

_lock = threading.Lock()
_is_offered = False


def offer(predictor: Predictor) -> str:
    """A sentence for the user on the quicker model, or empty.

    Only for published checkpoints of SAM 2 that run in this kernel on a CPU: a checkpoint of the
    user's own has been trained for something.
    """
    global _is_offered  # noqa: PLW0603 - one kernel, one user
    is_slow = predictor.device == "cpu" and is_published(predictor.name)
    if not is_slow or not getattr(predictor, "implementation", "").startswith("sam2 "):
        return ""
    with _lock:
        if _is_offered:
            return ""
        _is_offered = True
    needs = "" if find_spec("timm") else " (pip install 'sam2-widget[edgetam]')"
    return (
        f"The model {predictor.name!r} takes seconds for each image on a CPU; "
        f"w.model = 'edgetam' is several times quicker{needs}."
    )
