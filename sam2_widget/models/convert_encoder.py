"""Converts an encoder for OpenVINO: ``python -m sam2_widget.models.convert_encoder``.

Run in a process of its own by `sam2_widget.models.openvino.background`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from sam2_widget.models import predictors
from sam2_widget.models.base.predictor import BasePredictor
from sam2_widget.models.openvino import files, runtime
from sam2_widget.models.openvino.background import PRIORITY

CHECK_EVERY = 0.5
"""Seconds after which it is checked whether the parent is still there."""


class Encoder(torch.nn.Module):
    """The encoder of a predictor, as a module of its own."""

    def __init__(self, predictor: BasePredictor) -> None:
        super().__init__()
        self._predictor = predictor

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the maps of (1, 3, side, side) float32."""
        return self._predictor.feature_maps(pixels)


def convert(predictor: BasePredictor) -> files.Network:
    """Convert the encoder of a predictor on the CPU, whose input has a fixed size.

    Raises
    ------
    MissingLibraryError
        If OpenVINO is missing or too old.
    RuntimeError
        If it has no counterpart of an operator.
    """
    openvino = runtime.load_library()
    side = predictor.image_size
    pixels = torch.zeros(1, 3, side, side)
    with torch.no_grad(), warnings.catch_warnings():
        # It traces the network, which torch wants to replace by something slower.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        model: Any = openvino.convert_model(
            Encoder(predictor).eval(), example_input=pixels, input=list(pixels.shape)
        )
    model = _with_channels_last(model)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, files.GRAPH)
        openvino.save_model(model, graph, compress_to_fp16=False)
        return files.Network(graph.read_bytes(), graph.with_suffix(".bin").read_bytes())


def _with_channels_last(model: Any) -> Any:
    """The same network with channels last in its input and maps, as it computes them."""
    openvino = runtime.load_library()
    ports = import_module("openvino.preprocess").PrePostProcessor(model)
    for port in [ports.input(), *(ports.output(k) for k in range(len(model.outputs)))]:
        port.model().set_layout(openvino.Layout("NCHW"))
        port.tensor().set_layout(openvino.Layout("NHWC"))
    return ports.build()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, whose kernel may be shut down meanwhile."""
    while os.getppid() == parent:
        time.sleep(CHECK_EVERY)
    os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the checkpoint of the first path to the archive of the second.

    The third argument is the number of the process that waits for it.
    """
    first, second, parent = arguments or sys.argv[1:]
    checkpoint, archive = Path(first), Path(second)
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(PRIORITY)
    predictor = predictors.load_file(checkpoint, name="converted", device="cpu")
    files.write(archive, convert(predictor))


if __name__ == "__main__":
    main()
