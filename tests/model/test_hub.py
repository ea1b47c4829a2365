"""Downloads from the hub: the real huggingface_hub against a local server."""

import json
import os
import subprocess
import sys

import pytest

from .hub import Hub

TINY = "facebook/sam2.1-hiera-tiny"
NOWHERE = "http://127.0.0.1:9"  # the discard port, where nobody listens


@pytest.fixture
def hub(tiny_checkpoint, edgetam_folder):
    files = {
        "yonigozlan/EdgeTAM-hf": {
            path.name: path.read_bytes() for path in edgetam_folder.iterdir()
        },
        TINY: {"sam2.1_hiera_tiny.pt": tiny_checkpoint.read_bytes()},
        "someone/fine-tuned": {"README.md": b"hi", "model.pt": tiny_checkpoint.read_bytes()},
        "someone/two": {"a.pt": b"1", "b.safetensors": b"2"},
        "someone/broken": {"model.pt": b"not a checkpoint"},
    }
    with Hub(files).running() as hub:
        hub.gated.add("someone/gated")
        yield hub


@pytest.fixture
def python(tmp_path):
    """Runs a script in a new interpreter with its own cache; returns the printed text."""

    def run(endpoint, script):
        environment = {
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


# The tiny model of these tests has random weights: the hash of the published one is removed, except
# where the hash itself is tested.
PRELUDE = """
import json, os, warnings
from sam2_widget.models import checkpoints
if "PUBLISHED" not in os.environ:
    checkpoints.SHA256.clear()
import numpy as np
from sam2_widget import *
from sam2_widget.models.checkpoints import fetch
image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
def error_of(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""

FETCH = """
reports = []
path = fetch("tiny", progress=lambda what, fraction: reports.append((what, fraction))).path
print(json.dumps([path.stat().st_size, reports]))
"""


def test_a_download_shows_progress_and_happens_once(hub, python, tiny_checkpoint):
    size, reports = python(hub.url, FETCH)
    assert size == tiny_checkpoint.stat().st_size
    assert {what for what, _ in reports} == {TINY}
    fractions = [fraction for _, fraction in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) > 5
    asked = len(hub.requests)
    assert python(hub.url, FETCH) == [size, []]
    assert len(hub.requests) == asked
    assert python(NOWHERE, FETCH) == [size, []]


def test_edgetam_is_downloaded_once_with_its_configuration(hub, python):
    script = """
path = fetch("edgetam").path
model = load_model("edgetam", device="cpu")
print(json.dumps([sorted(p.name for p in path.parent.iterdir()), model.name, model.implementation]))
"""
    files, name, implementation = python(hub.url, script)
    assert files == ["config.json", "model.safetensors"]
    assert name == "edgetam"
    assert implementation.startswith("transformers ")
    assert python(NOWHERE, script) == [files, name, implementation]


def test_the_widget_shows_the_download_and_then_segments(hub, python):
    shown, shape, model = python(
        hub.url,
        """
        statuses = []
        class Watched(SegmentWidget):
            def __setattr__(self, name, value):
                if name == "_status":
                    statuses.append((value["phase"], value["message"]))
                super().__setattr__(name, value)
        w = Watched(image, model="tiny", device="cpu")
        w.add_point(20, 20)
        shape = w.masks.shape
        print(json.dumps([statuses, shape, w.model]))
        """.replace("\n        ", "\n"),
    )
    phases = list(dict.fromkeys(phase for phase, _ in shown))
    assert phases[-2:] == ["encoding", "ready"]
    assert set(phases) == {"loading", "downloading", "encoding", "ready"}
    assert any(f"Downloading {TINY}: " in message and "%" in message for _, message in shown)
    assert shape == [1, 40, 50]
    assert model == "tiny"


ERRORS = """
names = ["tiny", "someone/none", "someone/gated", "someone/two", "someone/broken"]
errors = {name: error_of(lambda: load_model(name, device="cpu")) for name in names}
print(json.dumps(errors))
"""


def test_errors_of_the_hub_are_reported(hub, python):
    del hub.files[TINY]["sam2.1_hiera_tiny.pt"]
    errors = python(hub.url, ERRORS)
    assert errors["tiny"].startswith(f"DownloadError: '{TINY}' on {hub.url} has no checkpoint")
    assert "there is no 'someone/none'" in errors["someone/none"]
    assert "needs a licence accepted" in errors["someone/gated"]
    assert "has 2 checkpoints (a.pt, b.safetensors), not one" in errors["someone/two"]
    assert errors["someone/broken"].startswith("CheckpointError")
    assert "cannot be read" in errors["someone/broken"]


def test_a_fine_tuned_model_is_loaded_by_its_hub_id(hub, python):
    script = """
import sys
shape = segment(image, [Point(9, 9)], model="someone/fine-tuned").masks.shape
print(json.dumps([shape, [name for name in ("openvino", "transformers") if name in sys.modules]]))
"""
    shape, unused = python(hub.url, script)
    assert shape == [1, 40, 50]
    assert unused == []


UNREACHABLE = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    auto = load_model("auto", device="cpu")
w = SegmentWidget(image, device="cpu")
w.add_point(20, 20)
shape = w.masks.shape
failed = SegmentWidget(image, model="tiny", device="cpu")
failed.add_point(20, 20)
error = error_of(lambda: failed.masks)
phase = failed.status.phase
failed.model = "bundled"
print(json.dumps({
    "auto": auto.name, "warned": [str(c.message) for c in caught if "bundled" in str(c.message)],
    "status": str(w.status), "phase": w.status.phase, "shape": shape,
    "error": error, "failed": phase, "rescued": failed.masks.shape, "kept": len(failed.prompts),
}))
"""


def test_an_unreachable_hub_is_reported_and_auto_falls_back(python):
    found = python(NOWHERE, UNREACHABLE)
    assert found["auto"] == "bundled"
    assert "SAM 2.1 tiny is not on this machine and could not be downloaded" in found["warned"][0]
    assert found["phase"] == "ready"
    assert "Using the bundled model" in found["status"]
    assert found["shape"] == [1, 40, 50]
    assert found["error"].startswith("DownloadError")
    assert "could not be fetched from http://127.0.0.1:9: [Errno 111]" in found["error"]
    assert "model='bundled'" in found["error"]
    assert found["failed"] == "error"
    assert found["rescued"] == [1, 40, 50]
    assert found["kept"] == 1


@pytest.fixture
def published(monkeypatch):
    """Keeps the hashes of the published models."""
    monkeypatch.setenv("PUBLISHED", "1")


LOAD = (
    'print(json.dumps([error_of(lambda: load_model(n, device="cpu")) for n in ("tiny", "auto")]))'
)


def test_another_file_under_a_published_name_is_refused(hub, python, published):
    for endpoint in (hub.url, NOWHERE):  # downloaded, and from the cache
        for error in python(endpoint, LOAD):
            assert error.startswith("CheckpointError")
            assert "not 7402e0d864fa" in error
            assert "delete" in error


def test_a_file_with_another_hash_than_on_the_hub_is_refused(hub, python):
    hub.etags["someone/fine-tuned"] = "0" * 64
    (error,) = python(
        hub.url, 'print(json.dumps([error_of(lambda: load_model("someone/fine-tuned"))]))'
    )
    assert "truncated or altered" in error


def test_a_small_file_has_no_sha256(hub, python):
    hub.etags["someone/fine-tuned"] = "0" * 40
    assert python(hub.url, 'print(json.dumps(load_model("someone/fine-tuned").name))')


def test_auto_takes_tiny_on_a_cpu(hub, python):
    assert python(hub.url, 'print(json.dumps(load_model("auto", device="cpu").name))') == "tiny"
