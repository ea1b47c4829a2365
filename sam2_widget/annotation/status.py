"""What the widget is doing, in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from sam2_widget._utils.text import presentable

Phase: TypeAlias = Literal[
    "downloading", "loading", "encoding", "ready", "predicting", "error", "closed"
]


@dataclass(frozen=True, slots=True)
class Status:
    """State of a widget.

    Attributes
    ----------
    phase : str
        ``"downloading"``, ``"loading"``, ``"encoding"``, ``"ready"``, ``"predicting"``,
        ``"error"`` or ``"closed"``.
    message : str
        One sentence for the user.
    progress : float or None
        Fraction that is done, 0..1; None if it is unknown.
    model, device : str
        Model and device in use, empty before they are known.
    hint : str
        What to do after an error, else empty.
    """

    phase: Phase
    message: str
    progress: float | None = None
    model: str = ""
    device: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """Plain dict for the browser."""
        texts = {
            name: presentable(getattr(self, name))
            for name in ("message", "model", "device", "hint")
        }
        return {**asdict(self), **texts}
