"""Weights in the hub's cache are mapped, so that kernels share them; a user's files are not."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from sam2.build_sam import build_sam2

from sam2_widget.models import predictors
from sam2_widget.models.base import weight_files

MEMORY = """
import json, re, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from sam2_widget.models import predictors

def mapped(path):
    "Bytes of the file that this process has mapped."
    maps = Path("/proc/self/maps").read_text().splitlines()
    spans = (line.split()[0].split("-") for line in maps if line.endswith(path))
    return sum(int(end, 16) - int(start, 16) for start, end in spans)

path = Path(sys.argv[1])
predictor = predictors.load_file(path, name="tiny", device="cpu")
print(json.dumps({"mapped": mapped(str(path.resolve())), "identity": predictor.identity}))
"""


def loaded(path):
    found = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is mapped")
def test_files_in_the_hub_cache_are_memory_mapped(tiny_checkpoint, tmp_path):
    name = weight_files.sha256_of(tiny_checkpoint)
    assert re.fullmatch("[0-9a-f]{64}", name)
    (tmp_path / "blobs").mkdir()
    os.link(tiny_checkpoint, tmp_path / "blobs" / name)
    link = tmp_path / "sam2.1_hiera_tiny.pt"
    link.symlink_to(tmp_path / "blobs" / name)
    of_hub, of_user = loaded(link), loaded(tiny_checkpoint)
    size = tiny_checkpoint.stat().st_size
    assert of_hub["mapped"] >= size
    assert of_user["mapped"] == 0
    assert of_hub["identity"] == of_user["identity"]


def test_overwriting_a_file_does_not_change_loaded_weights(tiny_checkpoint, tmp_path):
    path = tmp_path / "mine.pt"
    path.write_bytes(tiny_checkpoint.read_bytes())
    model = predictors.load_file(path, name="mine", device="cpu")._model
    with path.open("r+b") as file:
        file.truncate(100)
    assert np.isfinite(sum(float(p.sum()) for p in model.parameters()))


def test_half_precision_on_disk_is_float32_in_memory(tmp_path):
    model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    path = tmp_path / "half.pt"
    torch.save({"model": {name: t.half() for name, t in model.state_dict().items()}}, path)
    loaded = predictors.load_file(path, name="half", device="cpu")._model
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
