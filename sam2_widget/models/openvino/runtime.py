"""Runs a converted encoder with OpenVINO."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from sam2_widget.errors import MissingLibraryError
from sam2_widget.models import threads
from sam2_widget.models.openvino.files import Network

OLDEST = (2025, 0)
"""The oldest version that is supported: year and number."""

INSTALL = "pip install 'sam2-widget[openvino]'"


def installed_version() -> str:
    """The version of the library that is installed.

    Raises
    ------
    MissingLibraryError
        If it is missing or too old.
    """
    try:
        found = version("openvino")
    except PackageNotFoundError as error:
        raise MissingLibraryError(f"OpenVINO is not installed: {INSTALL}") from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingLibraryError(f"OpenVINO {found} is older than {oldest}: {INSTALL} --upgrade")
    return found


def load_library() -> Any:
    """Import OpenVINO, which takes 0.1 s, without its telemetry.

    When it is imported it otherwise sends an event to its maker, and writes into the home folder.
    It has a replacement for where the package that does so is not installed.

    Raises
    ------
    MissingLibraryError
        If it is missing, too old or broken.
    """
    installed_version()
    telemetry = "openvino_telemetry"
    is_blocked = telemetry not in sys.modules
    if is_blocked:
        sys.modules[telemetry] = None  # type: ignore[assignment]  # as if it was not installed
    try:
        return import_module("openvino")
    except ImportError as error:
        raise MissingLibraryError(f"OpenVINO cannot be imported: {error}; {INSTALL}") from error
    finally:
        if is_blocked:
            del sys.modules[telemetry]


@cache
def _core() -> Any:
    return load_library().Core()


class OpenVinoEncoder:
    """An image encoder in float32, which has channels last in its input and maps.

    Parameters
    ----------
    network : Network
    shapes : sequence of tuple of int
        Of the maps that are expected from it.

    Raises
    ------
    MissingLibraryError
        If OpenVINO is missing or too old.
    RuntimeError
        If it cannot run the network.
    ValueError
        If the network has other maps.
    """

    def __init__(self, network: Network, shapes: Sequence[tuple[int, ...]]) -> None:
        self._backend = f"OpenVINO {installed_version()}"
        openvino = load_library()
        weights = openvino.Tensor(np.frombuffer(network.weights, np.uint8))
        self._model = _core().read_model(network.graph, weights)
        found = [tuple(output.shape) for output in self._model.outputs]
        expected = [(batch, height, width, channels) for batch, channels, height, width in shapes]
        if found != expected:
            raise ValueError(f"its maps are {found}, not {expected}")
        self._threads = 0
        self._request: Any = None
        self._compile()

    @property
    def backend(self) -> str:
        """Name and version of the library."""
        return self._backend

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Encode (1, 3, side, side) float32; returns maps as `Sam2Embedding` has them."""
        self._compile()
        found = self._request.infer([np.ascontiguousarray(pixels.permute(0, 2, 3, 1))])
        # Copied, because the next run writes into the same memory.
        return tuple(torch.tensor(found[k]).permute(0, 3, 1, 2) for k in range(len(found)))

    def _compile(self) -> None:
        wanted = threads.wanted(torch.get_num_threads())
        if wanted == self._threads:
            return
        options = {
            "INFERENCE_NUM_THREADS": wanted,
            "NUM_STREAMS": 1,
            # By default it computes in bfloat16 on some processors.
            "INFERENCE_PRECISION_HINT": "f32",
            # Beside another busy process a pinned thread waits for its core.
            "ENABLE_CPU_PINNING": False,
        }
        self._request = _core().compile_model(self._model, "CPU", options).create_infer_request()
        self._threads = wanted
