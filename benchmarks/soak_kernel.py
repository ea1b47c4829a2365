"""The kernel's side of the soak: images, faults on demand, and the check of every result.

Imported by the notebook that `benchmarks/soak.py` drives.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from skimage import data
from skimage.transform import resize

from sam2_widget import SegmentWidget, load_model, segment
from sam2_widget.models.bundled.predictor import CompactPredictor
from sam2_widget.models.embeddings.cache import embeddings

SIZE = (640, 480)
"""Width and height of the images."""

PHOTOS = ("chelsea", "astronaut", "coffee", "rocket")


class InjectedError(RuntimeError):
    """What a predictor may raise at any time."""


ERRORS: dict[str, Callable[[], Exception]] = {
    "out of memory": lambda: torch.OutOfMemoryError("injected: out of memory"),
    "exception": lambda: InjectedError("injected: the model failed"),
}


class Faults:
    """Faults that wait for their moment: each strikes once."""

    def __init__(self) -> None:
        self.armed: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()

    def strikes(self, name: str) -> bool:
        """Whether this fault is due now."""
        if not self.armed[name]:
            return False
        self.armed[name] -= 1
        self.struck[name] += 1
        return True

    def check_model(self, stage: str) -> None:
        """Raise what is due in a call of the model."""
        for name, make in ERRORS.items():
            if self.strikes(f"{name} in {stage}"):
                raise make()


faults = Faults()


def _faulty(method: Callable[..., Any], stage: str) -> Callable[..., Any]:
    def call(self: CompactPredictor, *args: Any, **options: Any) -> Any:
        faults.check_model(stage)
        return method(self, *args, **options)

    return call


CompactPredictor.embed = _faulty(CompactPredictor.embed, "embed")  # type: ignore[method-assign]
CompactPredictor.predict = _faulty(CompactPredictor.predict, "predict")  # type: ignore[method-assign]


class SoakedWidget(SegmentWidget):
    """A widget whose messages can be lost, in both directions."""

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        is_request = "rid" in json.dumps(msg["content"]["data"], default=repr)
        if not (is_request and faults.strikes("message to the kernel lost")):
            super()._handle_msg(msg)

    def _send(self, msg: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if not (msg["method"] == "update" and faults.strikes("message to the page lost")):
            super()._send(msg, buffers)


class Log(logging.Handler):
    """Keeps what the kernel logs that nobody has injected."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record unless it reports an injected fault."""
        text = self.format(record)
        # A page's last word may come when its widget is closed: "No such comm".
        if "injected" not in text and not text.startswith("No such comm"):
            self.kept.append(text[-2000:])


def photo(number: int) -> np.ndarray:
    """A view of one of a few photos, another for each number, (480, 640, 3) uint8."""
    rng = random.Random(number)  # noqa: S311 - no secret
    source = getattr(data, PHOTOS[number % len(PHOTOS)])()
    height, width = source.shape[:2]
    side = rng.uniform(0.5, 1)
    h, w = int(height * side), int(width * side)
    y, x = rng.randint(0, height - h), rng.randint(0, width - w)
    shape = (SIZE[1], SIZE[0])
    part = resize(source[y : y + h, x : x + w], shape, preserve_range=True)
    return np.asarray(part, np.uint8)


class Soak:
    """Shows one image after the other, and checks what was made of each."""

    def __init__(self) -> None:
        self.log = Log()
        logging.getLogger().addHandler(self.log)
        self.number = -1
        self.widget: SoakedWidget | None = None
        self.due: list[str] = []
        self.living: WeakSet[SoakedWidget] = WeakSet()
        self.checked = 0
        self.different: list[int] = []
        self.objects = 0
        load_model("bundled", device="cpu")

    def next(self) -> SoakedWidget:
        """The next image in a widget of its own; the one before is checked and closed."""
        self.finish()
        self.number += 1
        faults.armed.update(self.due)
        self.due.clear()
        self.widget = SoakedWidget(photo(self.number), model="bundled", device="cpu")
        self.living.add(self.widget)
        return self.widget

    def finish(self) -> None:
        """Check the masks of the widget against a headless replay of its prompts."""
        if self.widget is None:
            return
        faults.armed.clear()
        masks = self.widget.masks
        again = segment(photo(self.number), self.widget.prompts, model="bundled", device="cpu")
        self.checked += 1
        self.objects += len(masks)
        if not np.array_equal(masks, again.masks):
            self.different.append(self.number)
        self.widget.close()
        self.widget = None

    def counts(self) -> list[int]:
        """Number of prompts of each object."""
        assert self.widget is not None  # noqa: S101 - the driver asks while one is shown
        return [len(o.prompts) for o in self.widget.prompts]

    def report(self) -> dict[str, Any]:
        """What happened so far."""
        return {
            "checked": self.checked,
            "different": self.different,
            "objects": self.objects,
            "living": len(self.living),
            "struck": dict(faults.struck),
            "log": self.log.kept,
        }

    def cached(self) -> int:
        """Bytes of embeddings that are kept."""
        return embeddings.nbytes


soak = Soak()
