"""Creates the predictor of a checkpoint file: SAM 2, `transformers`, or the bundled model."""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sam2_widget.errors import CheckpointError, OutOfMemoryError, SettingError
from sam2_widget.models import cpu_backend, packages
from sam2_widget.models.base import architecture, weight_files
from sam2_widget.models.base.predictor import BasePredictor, cast_layers
from sam2_widget.models.hugging_face import files as hugging_face_files
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.models.published import is_published

logger = logging.getLogger(__name__)


def load_file(
    path: Path, *, name: str, device: str, half: bool = False, image_size: int | None = None
) -> BasePredictor:
    """Load a checkpoint; its architecture is recognized by its tensors.

    Parameters
    ----------
    path : Path
        ``.safetensors`` or ``.pt`` with SAM 2's own names, or those of `transformers` with
        ``config.json`` beside it; pickled code is never run.
    name : str
        Name of the model.
    device : str
        From `sam2_widget.models.base.devices.resolve_device`.
    half : bool
        Whether the weights of the encoder are stored in half precision. The results equal those of
        the same model in bfloat16 bit by bit, because that rounds the weights at each use.
    image_size : int, optional
        Side of the model's square input in pixels; by default what the file states, else 1024.

    Raises
    ------
    CheckpointError
        If the file is broken, or fits none of SAM 2's architectures.
    MissingLibraryError
        If it needs `transformers`, and that is missing or too old, or the package sam2.
    OutOfMemoryError
        If the device has too little memory.
    SettingError
        If `image_size` is given and the file has the form of `transformers`.
    """
    content, content_hash = weight_files.read(path), weight_files.sha256_of(path)
    try:
        if architecture.is_compact(content.weights):
            return _load_compact(path, name, device, content_hash)
        file = _File(path, name, content, content_hash, image_size)
        if hugging_face_files.is_hugging_face(content.weights):
            return _load_hugging_face(file, device, half=half)
        load = _load_sam2 if packages.has_sam2() else _load_converted
        predictor = load(file, device, half=half)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"{device} has too little memory for the model {name!r}: "
            "use a smaller model, or device='cpu'"
        ) from error
    own_size = "" if image_size or is_published(name) else _size_note(content.image_size)
    predictor.note = " ".join(filter(None, (content.note, own_size)))
    if predictor.note:
        logger.info("%s: %s", name, predictor.note)
    return predictor


@dataclass(frozen=True, slots=True)
class _File:
    """What a network is built from.

    Attributes
    ----------
    path : Path
    name : str
        Name of the model.
    content : CheckpointContent
    checksum : str
        SHA-256 of the file.
    image_size : int or None
        Side of the square input in pixels, if the user has given it.
    """

    path: Path
    name: str
    content: weight_files.CheckpointContent
    checksum: str
    image_size: int | None

    @property
    def side(self) -> int:
        """Side of the square input in pixels."""
        return self.image_size or self.content.image_size or architecture.IMAGE_SIZE

    @property
    def identity(self) -> str:
        """Key of the weights and of what else the embeddings depend on."""
        return self.checksum + ("" if self.side == architecture.IMAGE_SIZE else f" at {self.side}")


def _load_compact(path: Path, name: str, device: str, checksum: str) -> BasePredictor:
    """The bundled model, whose neck and decoder are those of the package sam2."""
    packages.check_sam2("the bundled model")
    from sam2_widget.models.bundled.tracking import CompactTracker  # noqa: PLC0415 - needs sam2

    network = _placed(_bundled_network(path), device)
    compact = CompactTracker(network, name=name, checkpoint=checksum)
    return _on_cpu_backend(compact, path, checksum)


def _load_hugging_face(file: _File, device: str, *, half: bool) -> BasePredictor:
    if file.image_size is not None:
        raise SettingError(
            f"the size of the input of {str(file.path)!r} is part of its configuration, got "
            f"image_size={file.image_size!r}: leave it out"
        )
    model = hugging_face_files.build(file.path, file.content.weights)
    predictor = HuggingFacePredictor(
        _placed(model, device, half=half),
        name=file.name,
        checkpoint=file.checksum,
        dtype=torch.bfloat16 if half else None,
    )
    if predictor.architecture == "EdgeTAM":
        return _on_cpu_backend(predictor, file.path, file.checksum)
    return predictor


def _load_converted(file: _File, device: str, *, half: bool) -> BasePredictor:
    """A checkpoint of the package sam2 without that package."""
    model = hugging_face_files.build_converted(file.path, file.content.weights, file.side)
    return HuggingFacePredictor(
        _placed(model, device, half=half),
        name=file.name,
        checkpoint=file.identity,
        dtype=torch.bfloat16 if half else None,
    )


def _load_sam2(file: _File, device: str, *, half: bool) -> BasePredictor:
    from sam2_widget.models.sam2 import files  # noqa: PLC0415 - needs the package sam2
    from sam2_widget.models.sam2.predictor import Sam2Predictor  # noqa: PLC0415
    from sam2_widget.models.sam2.tracking import Sam2Tracker  # noqa: PLC0415

    network = _placed(files.build(file.path, file.content.weights, file.side), device, half=half)
    options: dict[str, Any] = {
        "name": file.name,
        "checkpoint": file.identity,
        "dtype": torch.bfloat16 if half else None,
    }
    if not files.has_video_parts(file.content.weights):
        return Sam2Predictor(network, **options)
    whole = partial(files.with_video_parts, file.path, file.checksum)
    return Sam2Tracker(network, whole=whole, **options)


def _on_cpu_backend(predictor: BasePredictor, path: Path, checksum: str) -> BasePredictor:
    """A predictor with a convolutional encoder, run by what is fastest on a CPU."""
    if predictor.device != "cpu":
        return predictor
    reference = weakref.ref(predictor)

    def converted() -> None:
        if (outdated := reference()) is not None:
            outdated.outdated = True

    shapes = predictor.map_shapes()
    encoder, predictor.note = cpu_backend.encoder_for(path, checksum, shapes, converted)
    if encoder is not None:
        predictor.use_encoder(encoder)
    return predictor


def _placed(network: Any, device: str, *, half: bool = False) -> Any:
    """A network on its device; with `half` the weights of its encoder take half the memory."""
    encoder = getattr(network, "vision_encoder", None) or network.image_encoder
    if half:
        cast_layers(encoder, torch.bfloat16)
    network = network.to(device)
    if device == "cpu":
        # Measured to save a tenth of the encoder's time, in either precision.
        encoder.to(memory_format=torch.channels_last)
    return network


def _bundled_network(path: Path) -> Any:
    """Network with the bundled architecture, on the CPU, in evaluation mode."""
    from sam2_widget.models.bundled import network  # noqa: PLC0415 - needs the package sam2

    try:
        model = network.load_compact(path)
    except (ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"the checkpoint {str(path)!r} is of the compact kind, but does not fit it: {reason}; "
            "install the package again"
        ) from error
    return model.eval().requires_grad_(requires_grad=False)


def _size_note(stated: int | None) -> str:
    """A note on the input size of the user's own checkpoint, or empty."""
    if stated is None:
        return (
            "The checkpoint does not state the size of its input, "
            f"{architecture.IMAGE_SIZE} pixels are used: if it was trained at another, "
            "load_model(path, image_size=512)."
        )
    if stated == architecture.IMAGE_SIZE:
        return ""
    return f"The model's input is {stated} x {stated} pixels, as its checkpoint states."
