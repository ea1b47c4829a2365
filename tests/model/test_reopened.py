"""A notebook opened again in a new kernel does not encode its images again."""

import json
import os
import subprocess
import sys

import pytest

NOTEBOOK = """
import hashlib, json, logging, sys
import numpy as np
import torch
torch.set_num_threads(1)
from sam2_widget import Point, SegmentWidget, embeddings, segment
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.models.bundled.predictor import CompactPredictor

calls = []
for kind in (Sam2Predictor, CompactPredictor):
    def counted(self, image, embed=kind._embed):
        calls.append(1)
        return embed(self, image)
    kind._embed = counted

image = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
w = SegmentWidget(image, model=sys.argv[1])
w.add_point(80, 45)
masks = w.masks
embeddings.flush()
logits = w._annotator.model.predictions._logits
digest = hashlib.sha256(b"".join(a.tobytes() for a in logits.values())).hexdigest()
print(json.dumps({"encoded": len(calls), "logits": digest, "disk": embeddings.usage()["disk"]}))
"""


def opened(model, **environment):
    found = subprocess.run(
        [sys.executable, "-c", NOTEBOOK, str(model)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout), found.stderr


@pytest.mark.parametrize("model", ["bundled", "checkpoint"])
def test_a_new_kernel_reuses_stored_embeddings(model, tiny_checkpoint, tmp_path):
    model = tiny_checkpoint if model == "checkpoint" else model
    first, _ = opened(model, SAM2_WIDGET_STORE=str(tmp_path))
    assert first["encoded"] == 1
    assert first["disk"] > 0
    second, _ = opened(model, SAM2_WIDGET_STORE=str(tmp_path))
    assert second == {**first, "encoded": 0}


def test_images_with_damaged_embedding_files_are_encoded_again(tmp_path):
    first, _ = opened("bundled", SAM2_WIDGET_STORE=str(tmp_path))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    second, printed = opened("bundled", SAM2_WIDGET_STORE=str(tmp_path))
    assert second == first
    assert "is ignored" in printed
    assert path.stat().st_size == len(whole)


def test_embeddings_are_stored_only_if_enabled(tmp_path):
    found, _ = opened("bundled", XDG_CACHE_HOME=str(tmp_path))
    assert found["disk"] == 0
    assert not list(tmp_path.iterdir())
