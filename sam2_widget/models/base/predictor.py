"""SAM 2's encoder and decoder behind `sam2_widget.predictor.Predictor`, of any package."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from itertools import repeat
from typing import Any, ClassVar, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
import torchvision.transforms.v2.functional as transforms
from torch import nn

from sam2_widget._utils.arrays import Float32Array, UInt8Array
from sam2_widget.errors import OutOfMemoryError
from sam2_widget.models import idle, worker
from sam2_widget.models.base.cpu_decoder import CpuDecoder, Parts
from sam2_widget.models.base.cuda_graphs import Answer, Decode, GraphedDecoder, Inputs
from sam2_widget.models.base.devices import encoder_dtype, set_threads
from sam2_widget.models.base.pixels import MEAN, STD, square
from sam2_widget.models.batches import DecodeRequest, in_batches
from sam2_widget.predictor import Candidates, Embedding, PromptArrays

T = TypeVar("T")

PREPROCESSING = 1
"""Version of the conversion of an image to the network's input, part of the embeddings' key."""

NUMPY_TYPES = {torch.float16: np.float16, torch.float32: np.float32}
"""Precisions in which embeddings may be stored."""

POINTS_AT_ONCE = 4
"""Points that a CPU decodes at a time: what is computed for more does not stay in its caches."""

BOX_LABELS = (2, 3)
"""Labels of the two corners of a box among the points of SAM's prompt encoder."""

LOGIT_LIMIT = 32.0
"""Logits are clamped to this before they are fed back, as in `SAM2ImagePredictor`."""


# Without slots, so that it can be referred to weakly.
@dataclass(frozen=True, eq=False)
class Sam2Embedding:
    """SAM 2's features of one image, and the image's size in pixels.

    Attributes
    ----------
    maps : tuple of Tensor
        Each (1, channels, h, w), the finest first; the last one is the image embedding itself.
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
        """Device of the features."""
        return str(self.maps[-1].device)

    def to(self, device: str) -> Sam2Embedding:
        """The same in the memory of another device."""
        return Sam2Embedding(tuple(m.to(device) for m in self.maps), self.width, self.height)


class CompiledEncoder(Protocol):
    """An encoder that runs with another library than torch, on a CPU."""

    @property
    def backend(self) -> str:
        """Name and version of the library."""

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Encode (1, 3, side, side) float32; maps as `Sam2Embedding` has them."""


class BasePredictor(ABC):
    """SAM 2 for images, stateless; where its network is from is up to the class that derives.

    Every call runs on the model thread, see `sam2_widget.models.worker`.

    Parameters
    ----------
    model : Module
        In evaluation mode, on its device.
    name : str
        Name of the model.
    dtype : torch.dtype, optional
        Precision of the encoder; by default bfloat16 where the device supports it. On CUDA the
        decoder uses it, too; on a CPU the decoder uses float32.
    kept : torch.dtype, optional
        Precision in which embeddings are stored. They are rounded by the encoder, so that masks do
        not depend on whether an embedding was on disk meanwhile.
    checkpoint : str, optional
        Checksum of the weights.
    graphs : bool
        Whether the decoder is recorded as CUDA graphs; on CUDA only. Saves four fifths of the time
        of a click, as measured.
    fast_decoder : bool
        Whether a CPU decodes with `CpuDecoder` instead of the package's own modules. Masks differ
        in the last bits of their logits.

    Attributes
    ----------
    name : str
    architecture : str
        Kind of network, ``"SAM 2"``, ``"EdgeTAM"`` or ``"compact"``.
    identity : str
        Key of the weights, the preprocessing and the arithmetic.
    precision : str
        Precision of the encoder, ``"bfloat16"`` or ``"float32"``.
    implementation : str
        Package that the network is from, and its version.
    offloaded : bool
        Whether the weights are in the host's memory, until the next use.
    note : str
        A sentence on the model for the user, or empty.
    outdated : bool
        Whether loading the checkpoint again gives a faster encoder.
    """

    refines_points = False

    _package: ClassVar[str]
    """Distribution that the network is from."""

    architecture = "SAM 2"

    def __init__(
        self,
        model: Any,
        *,
        name: str,
        dtype: torch.dtype | None = None,
        kept: torch.dtype = torch.float16,
        checkpoint: str | None = None,
        graphs: bool = True,
        fast_decoder: bool = True,
    ) -> None:
        self.name = name
        self._model = model
        self._device = next(model.parameters()).device
        self._dtype = dtype or encoder_dtype(self._device)
        self._kept = kept
        if self._device.type == "cuda" and self._dtype != torch.float32:
            cast_layers(model, self._dtype)
        # Computed once: it is constant and takes some milliseconds on a CPU.
        with torch.inference_mode():
            self._positions = self._grid()
        use_graphs = graphs and self._device.type == "cuda"
        self._graphs = GraphedDecoder(self._network, self._decoder_weights) if use_graphs else None
        self._decoder: Decode = self._graphs or self._network
        # Not on GPUs, where each of its steps takes a launch.
        on_cpu = self._device.type == "cpu"
        parts = self._decoder_parts() if fast_decoder and on_cpu else None
        self._cpu_decoder = CpuDecoder(parts, self._positions) if parts else None
        self.note = ""
        self.offloaded = False
        self.precision = str(self._dtype).removeprefix("torch.")
        self.implementation = f"{self._package} {version(self._package)}"
        self.outdated = False
        self._encoder: CompiledEncoder | None = None
        # The maps of the embedding used last, converted for the decoder.
        self._ready: WeakKeyDictionary[Sam2Embedding, tuple[torch.Tensor, ...]] = (
            WeakKeyDictionary()
        )
        arithmetic = f"{self._device.type} {self._dtype} {kept} torch {torch.__version__}"
        weights = checkpoint or uuid.uuid4().hex
        self.identity = f"{self._kind} {PREPROCESSING}, {arithmetic}, {weights}"

    def use_encoder(self, encoder: CompiledEncoder) -> None:
        """Encode with another library in float32, before the first use.

        Embeddings differ from those of torch in the last bits, and `identity` with them.
        """
        self._encoder = encoder
        self.precision = "float32"
        self.implementation += f", encoder in {encoder.backend}"
        self.identity = f"{encoder.backend}, {self.identity}"

    @property
    def _kind(self) -> str:
        """Name of the kind of encoder, for `identity`."""
        return type(self).__name__

    @property
    def device(self) -> str:
        """Device that it computes on."""
        return str(self._device)

    @property
    @abstractmethod
    def logits_size(self) -> tuple[int, int]:
        """(h, w) of the logits that it returns and accepts."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side of its square input in pixels, to which every image is scaled."""

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

    def predict_points(self, embedding: Embedding, points: Float32Array) -> list[Candidates]:
        """Decode many points of one image, each as a prompt of its own, in one run.

        The answers may differ from those of `predict` in the last bits.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        prompts = single_points(points)
        return self._run(lambda: self._decode_points(self._own(embedding), prompts))

    def predict_many(self, requests: Sequence[DecodeRequest], *, size: int) -> list[Candidates]:
        """Decode for several images in batches of `size`, see `in_batches`.

        For sizes other than 1 the results may differ from those of `predict` in the last bits.

        Raises
        ------
        DeviceError
            If the memory of the device does not suffice.
        """
        answer = self._predict_together
        return self._run(
            lambda: in_batches(requests, lambda request: request.shape, answer, size=size)
        )

    def _predict_together(self, requests: Sequence[DecodeRequest]) -> list[Candidates]:
        embeddings = [self._own(request.embedding) for request in requests]
        return self._decode_all(
            embeddings, [request.prompts for request in requests], multimask=requests[0].multimask
        )

    def _run(self, job: Callable[[], T]) -> T:
        def on_device() -> T:
            set_threads()
            try:
                self.reload()
                with torch.inference_mode():
                    return job()
            except torch.OutOfMemoryError:
                # Raised below, outside of the handler, without a traceback that refers to tensors.
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

    def offload(self) -> None:
        """Move the weights to the host's memory; without effect for a model on the CPU."""
        worker.local.run(self._offload)

    def _offload(self) -> None:
        if self._device.type != "cpu" and not self.offloaded:
            self._model.to("cpu")
            self.forget()
            self.offloaded = True
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def reload(self) -> None:
        """Move the weights back to the device, as every use does automatically."""
        worker.local.run(self._reload)

    def _reload(self) -> None:
        if self.offloaded:
            self._model.to(self._device)
            self.offloaded = False
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

    @abstractmethod
    def _grid(self) -> torch.Tensor:
        """Position encoding of the features, (1, channels, h, w)."""

    @abstractmethod
    def feature_maps(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Encode pixels, (1, 3, side, side), with torch; maps as `Sam2Embedding` has them."""

    @abstractmethod
    def map_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of an embedding's maps."""

    def _encode(self, image: UInt8Array, *, with_torch: bool = False) -> Sam2Embedding:
        with self._autocast(on_cpu=True):
            encode = self.feature_maps if with_torch else self._encoder or self.feature_maps
            maps = encode(self._pixels(image)[None].to(self._device))
        height, width = image.shape[:2]
        most = torch.finfo(self._kept).max
        kept = tuple(m.float().clamp(-most, most).to(self._kept) for m in maps)
        return Sam2Embedding(kept, width, height)

    def _maps(self, embedding: Sam2Embedding) -> tuple[torch.Tensor, ...]:
        """An embedding's maps on this device, in the decoder's precision."""
        found = self._ready.get(embedding)
        if found is None:
            dtype = torch.float32 if self._device.type == "cpu" else self._dtype
            # Always in the encoder's memory layout: in another one, as of embeddings from disk,
            # sums differ in the last bit.
            found = tuple(
                m.to(self._device, dtype, memory_format=torch.channels_last) for m in embedding.maps
            )
            self._ready.clear()
            self._ready[embedding] = found
        return found

    def pack(self, embedding: Embedding) -> dict[str, npt.NDArray[Any]]:
        """Convert an embedding to arrays for the disk."""
        found = self._own(embedding)
        arrays = {f"map{i}": m.cpu().numpy() for i, m in enumerate(found.maps)}
        return {**arrays, "size": np.array([found.width, found.height], np.int64)}

    def unpack(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embedding:
        """Convert arrays from `pack` to an embedding; ValueError if they are something else."""
        width, height = unpacked(arrays, "size", np.int64, (2,)).tolist()
        maps = (
            unpacked(arrays, f"map{i}", NUMPY_TYPES[self._kept], shape)
            for i, shape in enumerate(self.map_shapes())
        )
        return Sam2Embedding(tuple(torch.tensor(m) for m in maps), width, height)

    def _pixels(self, image: UInt8Array) -> torch.Tensor:
        """The network's input: the image scaled to a square and normalised."""
        scaled = square(image, self.image_size, self._device)
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
        """Decode several requests in one run; all have as many points, and all logits or none.

        Points are not padded, because the decoder would attend to the padding: masks would change.
        """
        if self._cpu_decoder is not None:
            # One after the other: there, a batch of several images saves no time.
            pairs = zip(embeddings, prompts, strict=True)
            answers = [self._decode_on_cpu(e, [p], multimask=multimask) for e, p in pairs]
            return [one for (one,) in answers]
        maps = tuple(_joined(m) for m in zip(*(self._maps(e) for e in embeddings), strict=True))
        return _candidates(
            *self._decoder(self._inputs(maps, embeddings, prompts, multimask=multimask))
        )

    def _inputs(
        self,
        maps: tuple[torch.Tensor, ...],
        embeddings: Iterable[Sam2Embedding],
        prompts: Sequence[PromptArrays],
        *,
        multimask: bool,
    ) -> Inputs:
        """Prompts as a batch, each in pixels of its embedding's image."""
        points = [self._points(e, p) for e, p in zip(embeddings, prompts, strict=False)]
        masks = [self._mask_input(*at, p) for at, p in zip(points, prompts, strict=True)]
        coords, labels = (_joined(some) for some in zip(*points, strict=True))
        previous = [mask for mask in masks if mask is not None]
        return Inputs(maps, coords, labels, _joined(previous) if previous else None, multimask)

    def _decode_points(
        self, embedding: Sam2Embedding, points: Sequence[PromptArrays]
    ) -> list[Candidates]:
        """Decode prompts of one point each on one image, whose maps are not repeated in memory."""
        if self._cpu_decoder is None:
            inputs = self._inputs(self._maps(embedding), repeat(embedding), points, multimask=True)
            return _candidates(*self._network(inputs))
        found: list[Candidates] = []
        for start in range(0, len(points), POINTS_AT_ONCE):
            some = points[start : start + POINTS_AT_ONCE]
            found += self._decode_on_cpu(embedding, some, multimask=True)
        return found

    def _decode_on_cpu(
        self, embedding: Sam2Embedding, prompts: Sequence[PromptArrays], *, multimask: bool
    ) -> list[Candidates]:
        """Decode prompts of one image with `CpuDecoder`."""
        assert self._cpu_decoder is not None  # noqa: S101
        maps = self._maps(embedding)
        inputs = self._inputs(maps, repeat(embedding), prompts, multimask=multimask)
        sparse, dense = self._encode_prompts(inputs)
        # Without a mask prompt it is the same for all points.
        shared = dense[:1] if inputs.previous is None else dense
        return _candidates(*self._cpu_decoder(maps, sparse, shared, multimask=multimask))

    @abstractmethod
    def _encode_prompts(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompts of one image, encoded: (B, N, channels) and (B or 1, channels, h, w)."""

    @abstractmethod
    def _decoder_parts(self) -> Parts | None:
        """The parts of the mask decoder; None if it is of an unknown kind."""

    @abstractmethod
    def _decoder_weights(self) -> Iterator[torch.Tensor]:
        """The tensors that `_network` reads beside its inputs."""

    def forget(self) -> None:
        """Free the device's memory except the weights: copies and graphs."""
        self._ready.clear()
        if self._graphs is not None:
            self._graphs.clear()

    @abstractmethod
    def _network(self, inputs: Inputs) -> Answer:
        """Prompt encoder and mask decoder: (B, K, h, w) logits and (B, K) scores."""

    def _points(
        self, embedding: Sam2Embedding, prompts: PromptArrays
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Points and box corners together, in the network's pixels: (1, N, 2) and (1, N)."""
        coords, labels = prompts.points.reshape(-1, 2), prompts.labels
        if prompts.box is not None:
            coords = np.concatenate([prompts.box.reshape(2, 2), coords])
            labels = np.concatenate([np.array(BOX_LABELS, np.int32), labels])
        size = torch.tensor([embedding.width, embedding.height], dtype=torch.float32)
        scaled = torch.as_tensor(coords, dtype=torch.float32) / size * self.image_size
        return scaled[None].to(self._device), torch.as_tensor(labels)[None].to(self._device)

    def _mask_input(
        self, coords: torch.Tensor, labels: torch.Tensor, prompts: PromptArrays
    ) -> torch.Tensor | None:
        """The mask input of the prompt encoder: the previous logits."""
        del coords, labels  # used by the compact model
        if prompts.logits is None:
            return None
        return torch.as_tensor(prompts.logits)[None, None].to(self._device)


def single_points(points: Float32Array) -> list[PromptArrays]:
    """Prompts of one point each, of (N, 2) points."""
    inside = np.ones(1, np.int32)
    return [PromptArrays(point[None], inside) for point in points]


def _candidates(logits: torch.Tensor, scores: torch.Tensor) -> list[Candidates]:
    """The decoder's (B, K, h, w) logits and (B, K) scores, one by one."""
    clamped = logits.float().clamp(-LOGIT_LIMIT, LOGIT_LIMIT).cpu().numpy()
    answers = zip(clamped, scores.float().cpu().numpy(), strict=True)
    return [Candidates(*answer) for answer in answers]


def cast_layers(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of linear layers and convolutions once, as autocast would at each use.

    This takes half the memory and a third of the kernels; results are equal bit by bit.
    """
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            module.to(dtype)


def unpacked(
    arrays: Mapping[str, npt.NDArray[Any]],
    name: str,
    dtype: npt.DTypeLike,
    shape: tuple[int | None, ...],
) -> npt.NDArray[Any]:
    """An array of a packed embedding as a tensor; ValueError if type or shape differ."""
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
    """Concatenate tensors; a single one is returned without a copy."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
