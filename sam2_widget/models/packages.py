"""Which packages that have SAM 2's network can be imported here."""

from __future__ import annotations

from importlib.util import find_spec

from sam2_widget.errors import MissingLibraryError
from sam2_widget.predictor import Predictor

INSTALL_SAM2 = "pip install sam2"
INSTALL_TRANSFORMERS = "pip install transformers"


def has_sam2() -> bool:
    """Whether the package sam2 can be imported; takes some tenths of a second the first time."""
    try:
        import sam2  # noqa: F401, PLC0415 - where it cannot be built, transformers is used
    except ImportError:
        return False
    return True


def has_transformers() -> bool:
    """Whether `transformers` is installed, without importing it, which takes seconds."""
    return find_spec("transformers") is not None


def check_any() -> None:
    """Raise `MissingLibraryError` if none can be imported."""
    # In this order, because looking for transformers imports nothing.
    if not has_transformers() and not has_sam2():
        raise MissingLibraryError(
            f"SAM 2 needs the package sam2 ({INSTALL_SAM2}), or transformers where that cannot be "
            f"built: {INSTALL_TRANSFORMERS}"
        )


def check_sam2(what: str) -> None:
    """Raise `MissingLibraryError` if the package sam2, which `what` needs, cannot be imported."""
    if not has_sam2():
        raise MissingLibraryError(
            f"{what} needs the package sam2, which is not installed: {INSTALL_SAM2}; without it "
            "use model='tiny' or another SAM 2, which transformers runs, too"
        )


def why_untracked(predictor: Predictor) -> str:
    """Why a SAM 2 cannot track though it could by the package sam2; "" for any other model."""
    if getattr(predictor, "architecture", "") != "SAM 2" or has_sam2():
        return ""
    return f"tracking with SAM 2 needs the package sam2, which is not installed: {INSTALL_SAM2}"
