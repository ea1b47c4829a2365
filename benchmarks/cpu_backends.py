"""Encoders and clicks on one core of a CPU, by backend: ``python -m benchmarks.cpu_backends``.

The bundled model and EdgeTAM, whose architecture has seeded weights here, with torch, with torch's
own optimization for inference, with OpenVINO, and with ONNX Runtime where it is installed; beside
them SAM 2.1 tiny as the sam2 package runs it. Least and median time in milliseconds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from sam2.build_sam import build_sam2
from transformers import EdgeTamConfig, EdgeTamModel, TimmWrapperConfig
from transformers.models.edgetam.configuration_edgetam import EdgeTamVisionConfig

from sam2_widget.models import convert_encoder, predictors
from sam2_widget.models.checkpoints import BUNDLED
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.models.openvino.runtime import OpenVinoEncoder
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import PromptArrays

CLICK = PromptArrays(np.array([[160.0, 120.0]], np.float32), np.ones(1, np.int32))
CLICKS = PromptArrays(
    np.array([[160.0, 120.0], [40.0, 30.0]], np.float32), np.array([1, 0], np.int32)
)


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A rectangle on a ground, with noise: (240, 320, 3)."""
    image = np.full((240, 320, 3), (60, 90, 130), np.uint8)
    image[60:180, 90:230] = (200, 60, 40)
    noise = np.random.default_rng(0).integers(0, 20, image.shape)
    return (image + noise).astype(np.uint8)


def edgetam() -> Any:
    """The true architecture with seeded weights."""
    backbone = TimmWrapperConfig(
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    torch.manual_seed(0)
    config = EdgeTamConfig(vision_config=EdgeTamVisionConfig(backbone_config=backbone))
    model: Any = EdgeTamModel(config)
    return model.eval().requires_grad_(requires_grad=False)


def timed(call: Callable[[], object], rounds: int) -> str:
    """Least and median milliseconds of `call`, after one round that is not counted."""
    call()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(1000 * (perf_counter() - start))
    return f"{min(times):.1f} / {median(times):.1f}"


def optimized(predictor: Sam2Predictor, pixels: torch.Tensor) -> Callable[[], object]:
    """The encoder traced, frozen and fused by torch."""
    encoder = convert_encoder.Encoder(predictor).eval()
    traced = torch.jit.trace(  # type: ignore[no-untyped-call]
        encoder, pixels, check_trace=False
    )
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return lambda: frozen(pixels)


def onnx_runtime(predictor: Sam2Predictor, pixels: torch.Tensor) -> Callable[[], object] | None:
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


def encoders(predictor: Sam2Predictor, rounds: int) -> None:
    """Print the encoder's times with each backend."""
    side = predictor.image_size
    pixels = torch.rand(1, 3, side, side)
    openvino = OpenVinoEncoder(convert_encoder.convert(predictor), predictor.map_shapes())
    calls: dict[str, Callable[[], object] | None] = {
        "torch": lambda: predictor.feature_maps(pixels),
        "torch, optimized": optimized(predictor, pixels),
        "OpenVINO": lambda: openvino(pixels),
        "ONNX Runtime": onnx_runtime(predictor, pixels),
    }
    for name, call in calls.items():
        times = timed(call, rounds) if call else "not installed"
        print(f"{predictor.name}, encoder at {side} px, {name}: {times}", flush=True)


def clicks(predictor: Sam2Predictor, rounds: int) -> None:
    """Print the times of an image and of clicks on it."""
    image = picture()
    kind = predictor.implementation
    print(f"{predictor.name}, {kind}, embed: {timed(lambda: predictor.embed(image), rounds)}")

    def first() -> None:
        predictor.predict(fresh.pop(), CLICK, multimask=True)

    fresh = [predictor.embed(image) for _ in range(rounds + 1)]
    print(f"{predictor.name}, {kind}, first click: {timed(first, rounds)}")
    embedding = predictor.embed(image)
    found = predictor.predict(embedding, CLICK, multimask=True)
    more = PromptArrays(CLICKS.points, CLICKS.labels, None, found.logits[found.best])

    def click() -> None:
        predictor.predict(embedding, more, multimask=False)

    print(f"{predictor.name}, {kind}, second click: {timed(click, rounds)}", flush=True)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--bundled-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundled = predictors.load_file(BUNDLED, name="bundled", device="cpu")
    with torch.inference_mode():
        encoders(bundled, options.rounds)
    clicks(bundled, options.rounds)
    network = convert_encoder.convert(bundled)
    bundled.use_encoder(OpenVinoEncoder(network, bundled.map_shapes()))
    clicks(bundled, options.rounds)
    if options.bundled_only:
        return
    rounds = max(options.rounds // 3, 2)
    with torch.inference_mode():
        model = HuggingFacePredictor(edgetam(), name="EdgeTAM", dtype=torch.float32)
        encoders(model, rounds)
        torch.manual_seed(0)
        tiny = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
        pixels = torch.rand(1, 3, 1024, 1024)
        times = timed(lambda: Sam2Predictor(tiny, name="tiny").feature_maps(pixels), rounds)
        print(f"SAM 2.1 tiny, encoder at 1024 px, torch: {times}")


if __name__ == "__main__":
    main()
