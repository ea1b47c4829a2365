"""The programs themselves, run as their users do, each in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2_widget import LabeledMask, LabeledMasks
from sam2_widget.export.values import crop_of

ROOT = Path(__file__).parents[2]

H, W = 60, 90
RING = np.zeros((H, W), bool)
RING[5:40, 5:45] = True
RING[15:30, 15:30] = False
TWO = np.zeros((H, W), bool)
TWO[10:20, 50:60] = True
TWO[30:50, 60:80] = True


@pytest.fixture
def masks():
    """A ring with a hole, and an object of two parts, with names that are not plain."""
    return LabeledMasks(
        (
            LabeledMask(crop_of(RING), (H, W), "Zelle ü", 0.5, "#ee3377"),
            LabeledMask(crop_of(TWO), (H, W), "a dog", None, "#33bbee"),
        ),
        (H, W),
    )


@pytest.fixture
def folder(tmp_path):
    """A folder whose name has a space and an umlaut, with the image in it."""
    folder = tmp_path / "größe 1"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo ü.png")
    return folder


def program(name, *places):
    """Path of a program; those that are missing are installed by `make test-programs`."""
    for place in (os.environ.get(f"{name.upper()}_PROGRAM"), *places):
        found = place and shutil.which(place)
        if found:
            return found
    raise RuntimeError(f"{name} is not installed: `make test-programs` does that")


def run(*command, **environment):
    """What a program prints."""
    with subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            # A program that waits in a dialog, and its screen.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, output
    return output


def last_json(output):
    """The JSON of the last line."""
    return json.loads(output.strip().splitlines()[-1])
