"""Sentences on a model for the status of the first widget that uses it, each once in a kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec

from sam2_widget.models.packages import INSTALL_SAM2, has_sam2
from sam2_widget.models.published import is_published
from sam2_widget.predictor import Predictor

_lock = threading.Lock()
_given: set[Callable[[Predictor], str]] = set()
"""Advice that was given in this kernel."""


def advice_on(predictor: Predictor) -> str:
    """The next sentence for the user that has not been given yet, or empty."""
    for advice in (_package, _quicker_model):
        with _lock:
            if advice in _given or not (sentence := advice(predictor)):
                continue
            _given.add(advice)
            return sentence
    return ""


def _package(predictor: Predictor) -> str:
    """That transformers runs SAM 2 in the place of the package sam2."""
    package = getattr(predictor, "implementation", "").split(" ")[0]
    if not _is_sam2(predictor) or package != "transformers" or has_sam2():
        return ""
    return (
        "SAM 2 runs through transformers, because the package sam2 is not installed: the masks are "
        f"the same, but nothing can be tracked ({INSTALL_SAM2})."
    )


def _quicker_model(predictor: Predictor) -> str:
    """That there is a quicker model than the published one that was loaded on a CPU.

    A checkpoint of the user's own has been trained for something.
    """
    is_slow = predictor.device == "cpu" and is_published(predictor.name)
    if not is_slow or not _is_sam2(predictor):
        return ""
    needs = "" if find_spec("timm") else " (pip install timm transformers)"
    return (
        f"The model {predictor.name!r} takes seconds for each image on a CPU; "
        f"w.model = 'edgetam' is several times quicker{needs}."
    )


def _is_sam2(predictor: Predictor) -> bool:
    """Whether a model runs in this kernel, and is SAM 2 itself."""
    return getattr(predictor, "architecture", "") == "SAM 2"
