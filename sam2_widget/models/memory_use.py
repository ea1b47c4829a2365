"""Reports the memory of this kernel's models and embeddings, and the free memory of its GPUs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sam2_widget._utils.pickling import PicklesMappings
from sam2_widget.models import checkpoints
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """Memory of a loaded model.

    Attributes
    ----------
    name : str
    device : str
        Device that it computes on.
    nbytes : int
        Size of its weights in bytes.
    offloaded : bool
        Whether they are in the host's memory until the next click.
    """

    name: str
    device: str
    nbytes: int
    offloaded: bool

    def __str__(self) -> str:
        where = f"offloaded, comes back to {self.device}" if self.offloaded else self.device
        return f"model {self.name}: {_size(self.nbytes)} ({where})"


@dataclass(frozen=True, slots=True)
class Memory(PicklesMappings):
    """Memory in use; print it.

    Attributes
    ----------
    models : tuple of ModelMemory
    embeddings : mapping of str to int
        Bytes by place: ``"cpu"``, ``"disk"``, and devices like ``"cuda:0"``.
    devices : mapping of str to (int, int)
        Free and total bytes of each GPU, counting all processes.
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
    """Memory of this kernel's models and embeddings, and free memory of its GPUs.

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
    nbytes, offloaded = getattr(model, "nbytes", 0), getattr(model, "offloaded", False)
    return ModelMemory(model.name, model.device, nbytes, offloaded)


def _devices() -> dict[str, tuple[int, int]]:
    torch = sys.modules.get("torch")  # without torch no GPU is in use
    if torch is None or not torch.cuda.is_available():
        return {}
    return {f"cuda:{i}": torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())}


def _size(nbytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if nbytes < 1000:  # noqa: PLR2004
            return f"{nbytes:.0f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} GB"
