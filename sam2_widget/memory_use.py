"""What this kernel holds: models, embeddings, and how much room its devices have."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sam2_widget.models import checkpoints
from sam2_widget.models.cache import embeddings
from sam2_widget.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """A model that is held.

    Attributes
    ----------
    name : str
    device : str
        Where it computes.
    nbytes : int
        Of its weights.
    resting : bool
        Whether they are in the host's memory until the next click.
    """

    name: str
    device: str
    nbytes: int
    resting: bool

    def __str__(self) -> str:
        where = f"resting, comes back to {self.device}" if self.resting else self.device
        return f"model {self.name}: {_size(self.nbytes)} ({where})"


@dataclass(frozen=True, slots=True)
class Memory:
    """What is held now; print it.

    Attributes
    ----------
    models : tuple of ModelMemory
    embeddings : mapping of str to int
        Bytes by place: ``"cpu"``, ``"disk"``, and devices like ``"cuda:0"``.
    devices : mapping of str to (int, int)
        Free and all bytes of each GPU, whoever uses them.
    """

    models: tuple[ModelMemory, ...]
    embeddings: Mapping[str, int]
    devices: Mapping[str, tuple[int, int]]

    def __str__(self) -> str:
        lines = [str(model) for model in self.models] or ["no model"]
        lines += [f"embeddings on {place}: {_size(n)}" for place, n in self.embeddings.items() if n]
        lines += [
            f"{device}: {_size(free)} of {_size(total)} free"
            for device, (free, total) in self.devices.items()
        ]
        return "\n".join(lines)

    __repr__ = __str__


def memory() -> Memory:
    """What this kernel holds in memory: models, embeddings, and what its GPUs have left.

    Returns
    -------
    Memory

    Examples
    --------
    >>> import sam2_widget
    >>> sam2_widget.memory()  # doctest: +SKIP
    model large: 898 MB (cuda:0)
    embeddings on cuda:0: 42 MB
    cuda:0: 70 GB of 80 GB free
    """
    models = tuple(_described(model) for model in checkpoints.loaded_models())
    return Memory(models, MappingProxyType(embeddings.usage()), MappingProxyType(_devices()))


def _described(model: Predictor) -> ModelMemory:
    nbytes, resting = getattr(model, "nbytes", 0), getattr(model, "resting", False)
    return ModelMemory(model.name, model.device, nbytes, resting)


def _devices() -> dict[str, tuple[int, int]]:
    torch = sys.modules.get("torch")  # whatever has not been imported uses no GPU
    if torch is None or not torch.cuda.is_available():
        return {}
    return {f"cuda:{i}": torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())}


def _size(nbytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if nbytes < 1000:  # noqa: PLR2004
            return f"{nbytes:.0f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} GB"
