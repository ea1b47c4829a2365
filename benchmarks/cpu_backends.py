"""Encoders and clicks on one core of a CPU, by backend.

    python -m benchmarks.cpu_backends [--bundled-only] [--rounds 15]

The bundled model and EdgeTAM with torch, with torch's own optimization for inference, with
OpenVINO, and with ONNX Runtime where it is installed; SAM 2.1 tiny here and in sam2's own
predictor. EdgeTAM and SAM 2.1 have their architecture and seeded weights. All is measured twice,
alone and beside one process that computes without end. Times are medians in milliseconds, with the
least in brackets.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import torch
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor
from tqdm import tqdm
from transformers import EdgeTamConfig, EdgeTamModel, TimmWrapperConfig
from transformers.models.edgetam.configuration_edgetam import EdgeTamVisionConfig

from benchmarks.fast.pictures import SIZES, photo, places
from benchmarks.fast.stats import busy
from sam2_widget import configure
from sam2_widget._utils.arrays import UInt8Array
from sam2_widget.masks.logits import LogitMask
from sam2_widget.models import convert_encoder, predictors
from sam2_widget.models.base.predictor import BasePredictor
from sam2_widget.models.checkpoints import BUNDLED
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.models.openvino.runtime import OpenVinoEncoder
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import Candidates, PromptArrays

WIDTH, HEIGHT = SIZES["2 MP"]
SLOW = 3
"""How many times fewer rounds large networks are measured in."""

Call: TypeAlias = Callable[[], object]
Rows: TypeAlias = Iterator[tuple[str, Call | None, int]]
"""What is measured, how (None if it is not installed), and how many times fewer rounds."""


def seeded_edgetam() -> Any:
    """EdgeTAM's architecture with seeded weights."""
    backbone = TimmWrapperConfig(
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    torch.manual_seed(0)
    config = EdgeTamConfig(vision_config=EdgeTamVisionConfig(backbone_config=backbone))
    model: Any = EdgeTamModel(config)
    return model.eval().requires_grad_(requires_grad=False)


def optimized(predictor: BasePredictor, pixels: torch.Tensor) -> Call:
    """The encoder traced, frozen and fused by torch."""
    encoder = convert_encoder.Encoder(predictor).eval()
    with torch.no_grad():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            encoder, pixels, check_trace=False
        )
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return lambda: frozen(pixels)


def onnx_runtime(predictor: BasePredictor, pixels: torch.Tensor) -> Call | None:
    """The encoder in ONNX Runtime; None where that is not installed."""
    try:
        import onnxruntime  # noqa: PLC0415 - optional
    except ImportError:
        return None
    encoder = convert_encoder.Encoder(predictor).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "encoder.onnx"))
        torch.onnx.export(encoder, (pixels,), path, opset_version=17, dynamo=False)
        session = onnxruntime.InferenceSession(path, options)
    inputs = {session.get_inputs()[0].name: pixels.numpy()}
    return lambda: session.run(None, inputs)


def encoders(predictor: BasePredictor, openvino: OpenVinoEncoder, fewer: int) -> Rows:
    """The encoder with each backend."""
    side = predictor.image_size
    pixels = torch.rand(1, 3, side, side)
    what = f"{predictor.name}, encoder at {side} px"
    yield f"{what}, torch", lambda: predictor.feature_maps(pixels), fewer
    yield f"{what}, torch, optimized", optimized(predictor, pixels), fewer
    yield f"{what}, OpenVINO", lambda: openvino(pixels), fewer
    yield f"{what}, ONNX Runtime", onnx_runtime(predictor, pixels), fewer


class Clicks:
    """Clicks on one image, each elsewhere."""

    def __init__(self, predictor: BasePredictor, image: UInt8Array) -> None:
        self._predictor = predictor
        self._image = image
        self._places = iter(places(10_000))
        self._embedding = predictor.embed(image)

    def embed(self) -> None:
        """Encode the image."""
        self._predictor.embed(self._image)

    def first(self) -> None:
        """A first click, with three candidates."""
        self._click(self._next_point(), multimask=True)

    def first_mask(self) -> None:
        """A first click, and its best mask in the image's pixels."""
        found = self._click(self._next_point(), multimask=True)
        LogitMask.from_logits(found.logits[found.best]).crop(*self._image.shape[:2])

    def second(self) -> None:
        """A second click: one candidate, with the logits of the first fed back."""
        self._click(self._correction, multimask=False)

    def prepare_second(self) -> None:
        """Click once, for `second` to correct."""
        first = self._next_point()
        found = self._predictor.predict(self._embedding, first, multimask=True)
        points = np.concatenate([first.points, [[30, 30]]]).astype(np.float32)
        labels = np.array([1, 0], np.int32)
        self._correction = PromptArrays(points, labels, None, found.logits[found.best])

    def _next_point(self) -> PromptArrays:
        height, width = self._image.shape[:2]
        point = np.array([next(self._places)], np.float32) * np.array([width, height], np.float32)
        return PromptArrays(point, np.ones(1, np.int32))

    def _click(self, prompts: PromptArrays, *, multimask: bool) -> Candidates:
        return self._predictor.predict(self._embedding, prompts, multimask=multimask)

    def rows(self, fewer: int) -> Rows:
        """Encoding and clicks."""
        what = f"{self._predictor.name}, {self._predictor.implementation}"
        yield f"{what}, embed", self.embed, fewer
        yield f"{what}, first click", self.first, 1
        yield f"{what}, first click with its mask of 2 MP", self.first_mask, 1
        self.prepare_second()
        yield f"{what}, second click", self.second, 1


def sam2_rows(image: UInt8Array) -> Rows:
    """SAM 2.1 tiny, here and as the sam2 package runs it."""
    torch.manual_seed(0)
    tiny = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    yield from Clicks(Sam2Predictor(tiny, name="SAM 2.1 tiny"), image).rows(SLOW)
    theirs = SAM2ImagePredictor(tiny)
    height, width = image.shape[:2]
    points = iter(places(10_000))

    def click() -> None:
        point = np.array([next(points)], np.float32) * np.array([width, height], np.float32)
        theirs.predict(point, np.ones(1, np.int32))

    yield "SAM 2.1 tiny, SAM2ImagePredictor, embed", lambda: theirs.set_image(image), SLOW
    yield "SAM 2.1 tiny, SAM2ImagePredictor, first click with its masks of 2 MP", click, 1


def all_rows(*, bundled_only: bool) -> Rows:
    """All that is measured, in this order."""
    image = photo(WIDTH, HEIGHT)
    configure(cpu_backend="torch")
    bundled = predictors.load_file(BUNDLED, name="bundled", device="cpu")
    openvino = OpenVinoEncoder(convert_encoder.convert(bundled), bundled.map_shapes())
    yield from encoders(bundled, openvino, 1)
    yield from Clicks(bundled, image).rows(1)
    bundled.use_encoder(openvino)
    yield from Clicks(bundled, image).rows(1)
    if bundled_only:
        return
    edgetam = HuggingFacePredictor(seeded_edgetam(), name="EdgeTAM", dtype=torch.float32)
    openvino = OpenVinoEncoder(convert_encoder.convert(edgetam), edgetam.map_shapes())
    yield from encoders(edgetam, openvino, SLOW)
    edgetam.use_encoder(openvino)
    yield from Clicks(edgetam, image).rows(SLOW)
    yield from sam2_rows(image)


def times_of(call: Call, rounds: int) -> list[float]:
    """Milliseconds of each of some calls, after one that is not counted."""
    call()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(1000 * (perf_counter() - start))
    return times


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--bundled-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| what | alone | beside a busy process | ratio |\n|---|---|---|---|")
    for what, call, fewer in tqdm(all_rows(bundled_only=options.bundled_only)):
        if call is None:
            print(f"| {what} | not installed | | |", flush=True)
            continue
        rounds = max(options.rounds // fewer, 2)
        with torch.inference_mode():
            alone = times_of(call, rounds)
            with busy():
                beside = times_of(call, rounds)
        cells = (f"{median(times):.1f} ({min(times):.1f})" for times in (alone, beside))
        ratio = median(beside) / median(alone)
        print(f"| {what} | {' | '.join(cells)} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
