"""The real SAM 2 behind `sam2_widget.predictor.Predictor`.

This module and those that it imports (`sam2_files`, `compact`, `graphs`), with `compact_predictor`,
are the only ones that import torch and sam2.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

# Threads that wait by spinning starve each other as soon as a second process is busy: 20 times
# slower on two cores. It must be said before torch starts its threads.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torchvision.transforms.v2.functional as transforms
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam2_base import SAM2Base
from torch import nn
from torch.nn import functional

from sam2_widget import resources
from sam2_widget.errors import DeviceError, OutOfMemoryError
from sam2_widget.models import idle, sam2_files, threads, worker
from sam2_widget.models.batches import Ask, in_batches
from sam2_widget.models.graphs import Answer, Decode, GraphedDecoder, Inputs
from sam2_widget.predictor import Candidates, Embedding, PromptArrays, UInt8Array

T = TypeVar("T")

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

PREPROCESSING = 1
"""Counts the ways in which an image has become the network's input: older embeddings differ."""

ROWS_AT_ONCE = (1024, 64)
"""Rows of an image that are scaled in one go, on a GPU and on a CPU, whose cache they fit in."""

NUMPY_TYPES = {torch.float16: np.float16, torch.float32: np.float32}
"""Precisions in which embeddings may be kept."""

BOX_LABELS = (2, 3)
"""How SAM's prompt encoder knows the two corners of a box among the points."""

LOGIT_LIMIT = 32.0
"""Logits are clamped to this before they are fed back, as in `SAM2ImagePredictor`."""


_followed: resources.Resources | None = None
"""The settings that the number of threads follows now."""


def _set_threads() -> None:
    """On the model thread, whose number of threads is what counts; quick if nothing has changed."""
    global _followed  # noqa: PLW0603 - one model thread, one pool
    if _followed is not resources.current():
        _followed = resources.current()
        torch.set_num_threads(threads.wanted(torch.get_num_threads()))


def resolve_device(device: str | None) -> str:
    """Name of the device to use: the one asked for if it is there, the best if None is asked for.

    Raises
    ------
    DeviceError
        If the device is not there.
    """
    if device is None:
        if torch.cuda.is_available():
            return f"cuda:{torch.cuda.current_device()}"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = device.partition(":")
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
    }
    if not there.get(kind, False):
        raise DeviceError(f"there is no device {device!r} on this machine: use device='cpu'")
    return f"cuda:{number or torch.cuda.current_device()}" if kind == "cuda" else kind


def is_half(device: str) -> bool:
    """Whether models are in half precision there by default."""
    return device.startswith("cuda") and _encoder_dtype(torch.device(device)) != torch.float32


def free_gpu_memory(device: str | None) -> int | None:
    """Bytes free on the GPU that `device` means; None if it means no GPU."""
    resolved = resolve_device(device)
    return int(torch.cuda.mem_get_info(resolved)[0]) if resolved.startswith("cuda") else None


def _encoder_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # Private names, but the only ones: torch has no public test for these instructions.
        tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        fast = any(getattr(torch.cpu, test, bool)() for test in tests)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


# Without slots, so that it can be referred to weakly.
@dataclass(frozen=True, eq=False)
class Sam2Embedding:
    """SAM 2's features of one image, and the image's size in pixels.

    Attributes
    ----------
    maps : tuple of Tensor
        Each (1, channels, h, w), the finest first; the last are the features proper.
    width, height : int
    """

    maps: tuple[torch.Tensor, ...]
    width: int
    height: int

    @property
    def nbytes(self) -> int:
        """Memory of the features in bytes."""
        return sum(t.numel() * t.element_size() for t in self.maps)

    @property
    def device(self) -> str:
        """Whose memory it is in."""
        return str(self.maps[-1].device)

    def to(self, device: str) -> Sam2Embedding:
        """The same in the memory of another device."""
        return Sam2Embedding(tuple(m.to(device) for m in self.maps), self.width, self.height)


class Sam2Predictor:
    """SAM 2 for images: the same masks as sam2's `SAM2ImagePredictor`, without its state.

    Every call runs on the model thread, see `sam2_widget.models.worker`.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode, on its device.
    name : str
        What the model is called.
    dtype : torch.dtype, optional
        Precision of the encoder; by default bfloat16 where the device has it. On CUDA the decoder
        follows; on a CPU it stays in float32, where it is quick enough.
    kept : torch.dtype, optional
        Precision in which embeddings are kept. They are rounded when they are made, so that an
        answer does not depend on where the embedding has been meanwhile.
    checkpoint : str, optional
        Hash of the weights.
    graphs : bool
        Whether the decoder is recorded as CUDA graphs; on CUDA only. Measured to save four fifths
        of a click's time.

    Attributes
    ----------
    name : str
    identity : str
        Of the weights, the preprocessing and the arithmetic.
    precision : str
        Of the encoder, ``"bfloat16"`` or ``"float32"``.
    resting : bool
        Whether the weights are in the host's memory, until the next use.
    """

    def __init__(
        self,
        model: SAM2Base,
        *,
        name: str,
        dtype: torch.dtype | None = None,
        kept: torch.dtype = torch.float16,
        checkpoint: str | None = None,
        graphs: bool = True,
    ) -> None:
        self.name = name
        self._model = model
        self._device = next(model.parameters()).device
        self._dtype = dtype or _encoder_dtype(self._device)
        self._kept = kept
        if self._device.type == "cuda" and self._dtype != torch.float32:
            cast_layers(model, self._dtype)
        # Some milliseconds on a CPU, and always the same.
        with torch.inference_mode():
            self._positions = model.sam_prompt_encoder.get_dense_pe()
        use_graphs = graphs and self._device.type == "cuda"
        self._graphs = GraphedDecoder(self._network, self._decoder_weights) if use_graphs else None
        self._decoder: Decode = self._graphs or self._network
        self.resting = False
        self.precision = str(self._dtype).removeprefix("torch.")
        # The maps of the embedding used last, as the decoder takes them.
        self._ready: WeakKeyDictionary[Sam2Embedding, tuple[torch.Tensor, ...]] = (
            WeakKeyDictionary()
        )
        arithmetic = f"{self._device.type} {self._dtype} {kept} torch {torch.__version__}"
        weights = checkpoint or uuid.uuid4().hex
        self.identity = f"{type(self).__name__} {PREPROCESSING}, {arithmetic}, {weights}"

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._device)

    @property
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it gives and takes."""
        height, width = self._model.sam_prompt_encoder.mask_input_size
        return int(height), int(width)

    def embed(self, image: UInt8Array) -> Embedding:
        """Encode an RGB image, (H, W, 3) uint8.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        return self._run(lambda: self._embed(image))

    def predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        """Decode: masks for `prompts`, one, or three if `multimask`.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        return self._run(lambda: self._predict(embedding, prompts, multimask=multimask))

    def predict_many(self, asks: Sequence[Ask], *, size: int) -> list[Candidates]:
        """Decode for several images in runs of `size`, see `in_batches`.

        With another size than 1 the answers may differ from those of `predict` in the last bits.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        answer = self._predict_together
        return self._run(lambda: in_batches(asks, lambda ask: ask.shape, answer, size=size))

    def _predict_together(self, asks: Sequence[Ask]) -> list[Candidates]:
        embeddings = [self._own(ask.embedding) for ask in asks]
        return self._decode_all(
            embeddings, [ask.prompts for ask in asks], multimask=asks[0].multimask
        )

    def _run(self, job: Callable[[], T]) -> T:
        def on_device() -> T:
            _set_threads()
            try:
                self.wake()
                with torch.inference_mode():
                    return job()
            except torch.OutOfMemoryError:
                # Raised below, without a traceback that holds tensors.
                torch.cuda.empty_cache()
            raise OutOfMemoryError(
                f"{self.device} is out of memory with the model {self.name!r}: "
                "use a smaller model, or device='cpu'"
            )

        return worker.local.run(on_device)

    @property
    def nbytes(self) -> int:
        """Memory of the weights in bytes."""
        return sum(p.numel() * p.element_size() for p in self._model.parameters())

    def rest(self) -> None:
        """Leave the device, for the host's memory; a model on the CPU stays where it is."""
        worker.local.run(self._rest)

    def _rest(self) -> None:
        if self._device.type != "cpu" and not self.resting:
            self._model.to("cpu")
            self.forget()
            self.resting = True
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def wake(self) -> None:
        """Come back to the device, which every use does by itself."""
        worker.local.run(self._wake)

    def _wake(self) -> None:
        if self.resting:
            self._model.to(self._device)
            self.resting = False
        idle.used(self)

    def _autocast(self, *, on_cpu: bool) -> AbstractContextManager[object]:
        kind = self._device.type
        if self._dtype == torch.float32 or (kind == "cpu" and not on_cpu):
            return nullcontext()
        return torch.autocast(kind, self._dtype)

    def _embed(self, image: UInt8Array) -> Embedding:
        return self._encode(image)

    def _own(self, embedding: Embedding) -> Sam2Embedding:
        if not isinstance(embedding, Sam2Embedding):
            raise TypeError(f"embedding must be what embed() returned, got {embedding!r}")
        return embedding

    def _encode(self, image: UInt8Array) -> Sam2Embedding:
        with self._autocast(on_cpu=True):
            backbone = self._model.forward_image(self._pixels(image)[None].to(self._device))
        _, features, _, sizes = self._model._prepare_backbone_features(backbone)  # noqa: SLF001
        if self._model.directly_add_no_mem_embed:
            features[-1] = features[-1] + self._model.no_mem_embed
        # Sequences (h * w, 1, channels) back to maps (1, channels, h, w).
        maps = [f.permute(1, 2, 0).reshape(1, -1, *s) for f, s in zip(features, sizes, strict=True)]
        height, width = image.shape[:2]
        most = torch.finfo(self._kept).max
        kept = tuple(m.float().clamp(-most, most).to(self._kept) for m in maps)
        return Sam2Embedding(kept, width, height)

    def _maps(self, embedding: Sam2Embedding) -> tuple[torch.Tensor, ...]:
        """An embedding's maps on this device, in the decoder's precision."""
        found = self._ready.get(embedding)
        if found is None:
            dtype = torch.float32 if self._device.type == "cpu" else self._dtype
            # Always in the layout that the encoder gives: in another one sums differ in the last
            # bit, and what comes from disk has another one.
            found = tuple(
                m.to(self._device, dtype, memory_format=torch.channels_last) for m in embedding.maps
            )
            self._ready.clear()
            self._ready[embedding] = found
        return found

    def pack(self, embedding: Embedding) -> dict[str, npt.NDArray[Any]]:
        """An embedding as arrays."""
        found = self._own(embedding)
        arrays = {f"map{i}": m.cpu().numpy() for i, m in enumerate(found.maps)}
        return {**arrays, "size": np.array([found.width, found.height], np.int64)}

    def unpack(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embedding:
        """What `pack` has packed; ValueError if it is something else."""
        width, height = unpacked(arrays, "size", np.int64, (2,)).tolist()
        maps = (
            unpacked(arrays, f"map{i}", NUMPY_TYPES[self._kept], shape)
            for i, shape in enumerate(self._shapes())
        )
        return Sam2Embedding(tuple(torch.tensor(m) for m in maps), width, height)

    def _shapes(self) -> list[tuple[int, ...]]:
        """Shapes of an embedding's maps."""
        channels, side = self._model.hidden_dim, self._model.sam_image_embedding_size
        return [(1, channels // n, s * side, s * side) for n, s in ((8, 4), (4, 2), (1, 1))]

    def _pixels(self, image: UInt8Array) -> torch.Tensor:
        """The image as the network takes it: a normalised square, aspect not kept."""
        scaled = square(image, self._model.image_size, self._device)
        normalised: torch.Tensor = transforms.normalize(scaled, MEAN, STD)
        return normalised

    def _predict(
        self, embedding: Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        return self._decode(self._own(embedding), prompts, multimask=multimask)

    def _decode(
        self, embedding: Sam2Embedding, prompts: PromptArrays, *, multimask: bool
    ) -> Candidates:
        return self._decode_all([embedding], [prompts], multimask=multimask)[0]

    def _decode_all(
        self,
        embeddings: Sequence[Sam2Embedding],
        prompts: Sequence[PromptArrays],
        *,
        multimask: bool,
    ) -> list[Candidates]:
        """Answer several in one run; they have the same number of points, and all logits or none.

        Padding would even out the points, but the decoder attends to it: other masks.
        """
        points = [self._points(e, p) for e, p in zip(embeddings, prompts, strict=True)]
        masks = [self._mask_input(*at, p) for at, p in zip(points, prompts, strict=True)]
        coords, labels = (_joined(some) for some in zip(*points, strict=True))
        maps = tuple(_joined(m) for m in zip(*(self._maps(e) for e in embeddings), strict=True))
        previous = [mask for mask in masks if mask is not None]
        joined = _joined(previous) if previous else None
        logits, scores = self._decoder(Inputs(maps, coords, labels, joined, multimask))
        clamped = logits.float().clamp(-LOGIT_LIMIT, LOGIT_LIMIT).cpu().numpy()
        answers = zip(clamped, scores.float().cpu().numpy(), strict=True)
        return [Candidates(*answer) for answer in answers]

    def _decoder_weights(self) -> Iterator[torch.Tensor]:
        yield from self._model.sam_prompt_encoder.parameters()
        yield from self._model.sam_mask_decoder.parameters()

    def forget(self) -> None:
        """Give back what the device holds beside the weights: copies, graphs, sam2's tables."""
        self._ready.clear()
        for module in self._model.modules():
            if isinstance(module, PositionEmbeddingSine):
                module.cache.clear()
        if self._graphs is not None:
            self._graphs.clear()

    def _network(self, inputs: Inputs) -> Answer:
        """Prompt encoder and mask decoder: (B, K, h, w) logits and (B, K) scores."""
        *high_res, features = inputs.maps
        points = (inputs.coords, inputs.labels)
        encoder, decoder = self._model.sam_prompt_encoder, self._model.sam_mask_decoder
        with self._autocast(on_cpu=False):
            sparse, dense = encoder(points=points, boxes=None, masks=inputs.previous)
            logits, scores, _, _ = decoder(
                image_embeddings=features,
                image_pe=self._positions,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=inputs.multimask,
                repeat_image=False,
                high_res_features=high_res,
            )
        return logits, scores

    def _points(
        self, embedding: Sam2Embedding, prompts: PromptArrays
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Points and box corners together, in the network's pixels: (1, N, 2) and (1, N)."""
        coords, labels = prompts.points.reshape(-1, 2), prompts.labels
        if prompts.box is not None:
            coords = np.concatenate([prompts.box.reshape(2, 2), coords])
            labels = np.concatenate([np.array(BOX_LABELS, np.int32), labels])
        size = torch.tensor([embedding.width, embedding.height], dtype=torch.float32)
        scaled = torch.as_tensor(coords, dtype=torch.float32) / size * self._model.image_size
        return scaled[None].to(self._device), torch.as_tensor(labels)[None].to(self._device)

    def _mask_input(
        self, coords: torch.Tensor, labels: torch.Tensor, prompts: PromptArrays
    ) -> torch.Tensor | None:
        """What goes into the prompt encoder's mask channel: the previous logits."""
        del coords, labels  # used by the compact model
        if prompts.logits is None:
            return None
        return torch.as_tensor(prompts.logits)[None, None].to(self._device)


def cast_layers(model: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of linear layers and convolutions as autocast would cast them each time.

    Half the memory and a third of the kernels, and the same answers to the bit.
    """
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            module.to(dtype)


def square(image: UInt8Array, side: int, device: torch.device) -> torch.Tensor:
    """(H, W, 3) uint8 → (3, side, side) float32 in 0..1 on a device, the aspect not kept.

    Rows first, some at a time, then columns: the same numbers as a resize of the whole, which
    would need twelve bytes a pixel.
    """
    rows = ROWS_AT_ONCE[device.type == "cpu"]
    strips = (to_tensor(image[y : y + rows], device) for y in range(0, len(image), rows))
    narrow = torch.cat([_resized(s, (s.shape[1], side)) for s in strips], dim=1)
    return _resized(narrow, (side, side))


def _resized(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(
        image[None], size, mode="bilinear", align_corners=False, antialias=True
    )[0]


def unpacked(
    arrays: Mapping[str, npt.NDArray[Any]],
    name: str,
    dtype: npt.DTypeLike,
    shape: tuple[int | None, ...],
) -> npt.NDArray[Any]:
    """One of the arrays of a packed embedding; ValueError if it is not of that kind."""
    array = arrays.get(name)
    if (
        array is None
        or array.dtype != dtype
        or len(array.shape) != len(shape)
        or any(want not in (None, n) for want, n in zip(shape, array.shape, strict=True))
    ):
        raise ValueError(f"a packed embedding needs {name!r}, {dtype} of shape {shape}")
    return array


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One batch of all; the tensor itself, not a copy, if there is one only."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def to_tensor(image: UInt8Array, device: torch.device | None = None) -> torch.Tensor:
    """(H, W, 3) uint8 → (3, H, W) float32 in 0..1."""
    to_gpu = device is not None and device.type == "cuda"
    # A copy, because torch warns of arrays that are read-only; GPUs take it quicker from pinned
    # memory, and torch.tensor itself pins nothing that comes from NumPy.
    copied = torch.tensor(image)
    copied = (copied.pin_memory() if to_gpu else copied).to(device, non_blocking=to_gpu)
    return copied.permute(2, 0, 1).float().div_(255)


def load(path: Path, *, name: str, device: str, half: bool = False) -> Sam2Predictor:
    """Load a checkpoint; its architecture is recognised by its tensors.

    Parameters
    ----------
    path : Path
        ``.safetensors`` or ``.pt`` with SAM 2's own names; pickled code is never run.
    name : str
        What to call the model.
    device : str
        From `resolve_device`.
    half : bool
        Whether the weights of the encoder take half the memory. Its answers are those of the same
        model in bfloat16, to the bit: that would round the weights at each use.

    Raises
    ------
    CheckpointError
        If the file is broken, or fits none of SAM 2's architectures.
    OutOfMemoryError
        If the memory of the device does not suffice.
    """
    from sam2_widget.models.compact_predictor import (  # noqa: PLC0415 - it builds on this module
        CompactPredictor,
    )

    weights, checkpoint = sam2_files.read(path), sam2_files.sha256_of(path)
    is_compact = sam2_files.is_compact(weights)
    try:
        model = sam2_files.build(path, weights)
        if half and not is_compact:
            cast_layers(model.image_encoder, torch.bfloat16)
        model = model.to(device)
        if device == "cpu":
            # Measured to save a tenth of the encoder's time, in either precision.
            model.image_encoder.to(memory_format=torch.channels_last)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"{device} has too little memory for the model {name!r}: "
            "use a smaller model, or device='cpu'"
        ) from error
    if is_compact:
        return CompactPredictor(model, name=name, checkpoint=checkpoint)
    dtype = torch.bfloat16 if half else None
    return Sam2Predictor(model, name=name, checkpoint=checkpoint, dtype=dtype)
