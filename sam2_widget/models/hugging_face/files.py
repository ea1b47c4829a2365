"""Networks of `transformers`, built from weights with a ``config.json`` in the same folder.

Weights of the package sam2 are converted where that package cannot be imported.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sam2_widget._utils.regular_files import open_regular
from sam2_widget.errors import CheckpointError, MissingLibraryError
from sam2_widget.models import packages
from sam2_widget.models.base import architecture
from sam2_widget.models.hugging_face import conversion
from sam2_widget.models.published import CONFIG

_MOST_CONFIG_BYTES = 2**20

_MOST_MISSING = 1.1
"""Largest number of weights of a network, as a multiple of those in its file."""

_SIGNATURE = "prompt_encoder.shared_embedding.positional_embedding"
"""A weight that both kinds of model have, but no checkpoint of the sam2 package."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of model, and the names of its classes in `transformers`.

    Attributes
    ----------
    title : str
        Name for users.
    model, config : str
        Names of classes in `transformers`.
    install : str
        Command that installs what it needs.
    """

    title: str
    model: str
    config: str
    install: str


_EDGETAM = Kind("EdgeTAM", "EdgeTamModel", "EdgeTamConfig", "pip install transformers timm")
_SAM2 = Kind("SAM 2", "Sam2Model", "Sam2Config", packages.INSTALL_TRANSFORMERS)

KINDS = {"edgetam": _EDGETAM, "edgetam_video": _EDGETAM, "sam2": _SAM2, "sam2_video": _SAM2}
"""By ``model_type`` in ``config.json``; a model for videos contains the one for images."""


def is_hugging_face(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights have the names used by `transformers`."""
    return _SIGNATURE in weights


def build(path: Path, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build the network for the weights in a file, on the CPU, in evaluation mode.

    Parameters
    ----------
    path : Path
        The file; ``config.json`` is in the same folder.
    weights : mapping of str to Tensor
        The content of the file.

    Raises
    ------
    CheckpointError
        If there is no ``config.json``, or the weights do not fit it.
    MissingLibraryError
        If `transformers` or timm is missing or too old.
    """
    settings = _read_config(path.with_name(CONFIG))
    kind = KINDS[settings["model_type"]]
    network, _ = _build(path, kind, settings, weights, described=f"its {CONFIG}")
    return network


def build_converted(
    path: Path, weights: Mapping[str, torch.Tensor], image_size: int | None = None
) -> nn.Module:
    """Build the network for weights of the package sam2, as `sam2.files.build` does.

    Raises
    ------
    CheckpointError
        If the weights fit none of SAM 2's architectures.
    MissingLibraryError
        If `transformers` is missing or too old.
    """
    size = architecture.size_of(weights)
    if size is None:
        raise architecture.unknown(path, weights)
    settings = conversion.settings(size, image_size or architecture.IMAGE_SIZE)
    named = {n: t for n, t in weights.items() if not architecture.is_video_only(n)}
    fitting = f"SAM 2 {size}, which its image encoder looks like"
    try:
        converted = conversion.renamed(architecture.in_float32(path, named))
    except KeyError as error:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} does not fit {fitting}: {error} is missing"
        ) from error
    network, unused = _build(path, _SAM2, settings, converted, described=fitting)
    if unused:
        raise CheckpointError(
            f"the checkpoint {str(path)!r} does not fit {fitting}: {min(unused)!r} is no part of it"
        )
    return network


def _build(
    path: Path,
    kind: Kind,
    settings: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    *,
    described: str,
) -> tuple[nn.Module, Collection[str]]:
    """A network with these settings and weights, and the names of weights that it does not use."""
    model_class, config_class = _classes(kind)
    try:
        config = config_class.from_dict(settings)
        _check_size(model_class, config, weights)
        with _no_progress_bar():
            model, report = model_class.from_pretrained(
                None,
                config=config,
                state_dict=dict(weights),
                dtype=torch.float32,
                output_loading_info=True,
            )
    except ImportError as error:
        raise MissingLibraryError(f"{kind.title} needs {_reason(error)}: {kind.install}") from error
    except Exception as error:  # values in an untrusted file can fail in many ways
        raise CheckpointError(
            f"the checkpoint {str(path)!r} does not fit {described}: {_reason(error)}"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(
            f"the checkpoint {str(path)!r} lacks {len(missing)} of the weights that "
            f"{kind.title} has, such as {missing[0]!r}"
        )
    return model.eval().requires_grad_(requires_grad=False), report["unexpected_keys"]


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Switch off transformers' progress bar, which would be printed under some cell."""
    from transformers.utils import logging  # noqa: PLC0415 - takes seconds

    settings: Any = logging
    was_enabled = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            settings.enable_progress_bar()


def _check_size(model_class: Any, config: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError if the network would be larger than the file with its weights.

    Otherwise a single number in ``config.json`` could cost hours and gigabytes, because missing
    weights are first initialised at random.
    """
    with torch.device("meta"):
        network: nn.Module = model_class(config)
    wanted = sum(p.numel() for p in network.parameters())
    given = sum(tensor.numel() for tensor in weights.values())
    if wanted > given * _MOST_MISSING:
        raise ValueError(f"it is of {wanted:,} weights, and the file has {given:,}")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            settings = json.loads(file.read(_MOST_CONFIG_BYTES))
    except OSError as error:
        raise CheckpointError(
            f"the weights have the form of transformers, which needs {str(path)!r} beside them: "
            f"{error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is damaged: {_reason(error)}") from error
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise CheckpointError(
            f"{str(path)!r} is of a model of the kind {kind!r}: supported are "
            f"{', '.join(map(repr, KINDS))}"
        )
    found: dict[str, Any] = settings
    return found


def _classes(kind: Kind) -> tuple[Any, Any]:
    try:
        import transformers  # noqa: PLC0415 - an extra, and it takes seconds

        return getattr(transformers, kind.model), getattr(transformers, kind.config)
    except ImportError as error:
        raise MissingLibraryError(
            f"{kind.title} needs the package transformers: {kind.install}"
        ) from error
    except AttributeError as error:
        raise MissingLibraryError(
            f"transformers {transformers.__version__} is too old, it has no {kind.model}: "
            f"{kind.install} --upgrade"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
