"""Creates the predictor of a checkpoint file: SAM 2, `transformers`, or the bundled model."""

from __future__ import annotations

import logging
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2_widget.errors import CheckpointError, OutOfMemoryError, SettingError
from sam2_widget.models import cpu_backend
from sam2_widget.models.base import weight_files
from sam2_widget.models.base.predictor import BasePredictor, cast_layers
from sam2_widget.models.bundled.network import load_compact
from sam2_widget.models.bundled.tracking import CompactTracker
from sam2_widget.models.hugging_face import files as hugging_face_files
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.models.published import is_published
from sam2_widget.models.sam2 import files as sam2_files
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.models.sam2.tracking import Sam2Tracker

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
        If it needs `transformers`, and that is missing or too old.
    OutOfMemoryError
        If the device has too little memory.
    SettingError
        If `image_size` is given and the file has the form of `transformers`.
    """
    content, content_hash = weight_files.read(path), sam2_files.sha256_of(path)
    try:
        if sam2_files.is_compact(content.weights):
            network = _placed(_bundled_network(path), device)
            compact = CompactTracker(network, name=name, checkpoint=content_hash)
            return _on_cpu_backend(compact, path, content_hash)
        dtype = torch.bfloat16 if half else None
        if hugging_face_files.is_hugging_face(content.weights):
            if image_size is not None:
                raise SettingError(
                    f"the size of the input of {str(path)!r} is part of its configuration, got "
                    f"image_size={image_size!r}: leave it out"
                )
            model = hugging_face_files.build(path, content.weights)
            network = _placed(model, device, half=half)
            found = HuggingFacePredictor(network, name=name, checkpoint=content_hash, dtype=dtype)
            return _on_cpu_backend(found, path, content_hash)
        model = sam2_files.build(path, content.weights, image_size or content.image_size)
        network = _placed(model, device, half=half)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"{device} has too little memory for the model {name!r}: "
            "use a smaller model, or device='cpu'"
        ) from error
    checkpoint = content_hash
    if network.image_size != sam2_files.IMAGE_SIZE:
        checkpoint = f"{checkpoint} at {network.image_size}"  # other embeddings of the same weights
    if sam2_files.has_video_parts(content.weights):
        whole = partial(sam2_files.with_video_parts, path, content_hash)
        predictor: Sam2Predictor = Sam2Tracker(
            network, whole=whole, name=name, checkpoint=checkpoint, dtype=dtype
        )
    else:
        predictor = Sam2Predictor(network, name=name, checkpoint=checkpoint, dtype=dtype)
    own_size = "" if image_size or is_published(name) else _size_note(content.image_size)
    predictor.note = " ".join(filter(None, (content.note, own_size)))
    if predictor.note:
        logger.info("%s: %s", name, predictor.note)
    return predictor


def _on_cpu_backend(predictor: BasePredictor, path: Path, content_hash: str) -> BasePredictor:
    """A predictor with a convolutional encoder, run by what is fastest on a CPU."""
    if predictor.device != "cpu":
        return predictor
    reference = weakref.ref(predictor)

    def converted() -> None:
        if (outdated := reference()) is not None:
            outdated.outdated = True

    shapes = predictor.map_shapes()
    encoder, predictor.note = cpu_backend.encoder_for(path, content_hash, shapes, converted)
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


def _bundled_network(path: Path) -> SAM2Base:
    """Network with the bundled architecture, on the CPU, in evaluation mode."""
    try:
        model = load_compact(path)
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
            f"The checkpoint does not state the size of its input, {sam2_files.IMAGE_SIZE} pixels "
            "are used: if it was trained at another, load_model(path, image_size=512)."
        )
    if stated == sam2_files.IMAGE_SIZE:
        return ""
    return f"The model's input is {stated} x {stated} pixels, as its checkpoint states."
