"""A model cache that only an administrator may write to, as on a hub."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from .hub import Hub

TINY = "facebook/sam2.1-hiera-tiny"
NOWHERE = "http://127.0.0.1:9"  # the discard port, where nobody listens

# These are random weights, whose hash is not that of the published model.
NO_HASHES = """
from sam2_widget.models import checkpoints
checkpoints.SHA256.clear()
"""

FILL = """
from sam2_widget.models.checkpoints import fetch
print(fetch("tiny").path)
"""

USE = """
import json, os, pathlib
import numpy as np
home = pathlib.Path(os.environ["HF_HOME"])
refused = 0
for folder in [home, *(path for path in home.rglob("*") if path.is_dir())]:
    try:
        (folder / "written").write_text("x")
    except PermissionError:
        refused += 1
from sam2_widget import SegmentWidget, load_model
image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
w = SegmentWidget(image, model="tiny", device="cpu")
w.add_point(20, 20)
shape = w.masks.shape
print(json.dumps({
    "refused": refused, "model": w.model, "shape": shape, "status": str(w.status),
    "auto": load_model("auto", device="cpu").name,
    "files": sorted(str(path.relative_to(home)) for path in home.rglob("*")),
}))
"""


def run(script, home, *, endpoint, wrapper=(), **more):
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        **more,
    }
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", NO_HASHES + script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def without_roots_power():
    """Starts a command for which file permissions apply, also if the tests run as root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv, "root passes all permissions by, and setpriv (util-linux) is not there"
    power = "-dac_override,-dac_read_search,-fowner"
    return (setpriv, f"--bounding-set={power}", f"--inh-caps={power}", "--no-new-privs", "--")


def writable(folder, *, yes):
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200 if yes else path.stat().st_mode & 0o555)


@pytest.fixture
def cache(tmp_path, tiny_checkpoint):
    """A read-only HF_HOME that contains SAM 2.1 tiny."""
    home = tmp_path / "models"
    with Hub({TINY: {"sam2.1_hiera_tiny.pt": tiny_checkpoint.read_bytes()}}).running() as hub:
        run(FILL, home, endpoint=hub.url, HF_HUB_OFFLINE="0")
    writable(home, yes=False)
    yield home
    writable(home, yes=True)


def test_a_read_only_cache_is_sufficient(cache):
    before = sorted(str(path.relative_to(cache)) for path in cache.rglob("*"))
    printed = run(USE, cache, endpoint=NOWHERE, wrapper=without_roots_power(), HF_HUB_OFFLINE="1")
    found = json.loads(printed)
    folders = sum(path.is_dir() for path in cache.rglob("*")) + 1
    assert found["refused"] == folders
    assert found["model"] == found["auto"] == "tiny"
    assert found["shape"] == [1, 40, 50]
    assert found["status"].startswith("The model 'tiny' takes seconds for each image on a CPU; ")
    assert found["files"] == before


MISSING = """
from sam2_widget import load_model
try:
    load_model("small", device="cpu")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_model_missing_from_the_cache_is_reported_at_once(cache):
    printed = run(
        MISSING, cache, endpoint=NOWHERE, wrapper=without_roots_power(), HF_HUB_OFFLINE="1"
    )
    assert printed.startswith("DownloadError: 'facebook/sam2.1-hiera-small' could not be fetched")
    assert "offline" in printed.lower()
