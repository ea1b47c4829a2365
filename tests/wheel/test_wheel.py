"""The wheel as a user gets it: built in isolation, installed in an environment of its own."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("sam2", "torch", "torchvision", "safetensors")


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the sdist, as an installer without a wheel would."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An interpreter with the wheel and all that it requires but torch and sam2."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    required = [r for r in importlib.metadata.requires("sam2-widget") if "extra ==" not in r]
    light = [r for r in required if not r.startswith(HEAVY)]
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel))
    run(python, "-m", "pip", "install", "--quiet", *light)
    return python


def in_clean(python, script, tmp_path, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return run(python, "-c", script, cwd=tmp_path, env={**clean, **environment})


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "static/widget.js",
        "static/widget.css",
        "weights/bundled.safetensors",
        "py.typed",
        "export/coco.py",
        "cli.py",
        "__init__.pyi",
    ):
        assert f"sam2_widget/{needed}" in names
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert (
        "sam2-widget = sam2_widget.cli:main" in zipfile.ZipFile(wheel).read(entry_points).decode()
    )
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"sam2_widget"}
    assert any(name.endswith("jupyter_server_config.d/sam2_widget.json") for name in names)
    assert wheel.stat().st_size < 13e6


def test_the_front_end_is_small_and_asks_no_other_host(wheel):
    archive = zipfile.ZipFile(wheel)
    script = archive.read("sam2_widget/static/widget.js").decode()
    style = archive.read("sam2_widget/static/widget.css").decode()
    assert len(script) + len(style) < 300_000
    for text in (script, style):
        assert "import(" not in text
        assert "url(http" not in text
        assert "fetch(" not in text


def test_the_image_is_shown_without_torch(python, tmp_path):
    script = """
import sys
import numpy as np
from sam2_widget import SegmentWidget, ModelError
assert not {"torch", "sam2", "huggingface_hub"} & set(sys.modules)
w = SegmentWidget(np.zeros((40, 50, 3), np.uint8), model="bundled")
assert w.get_state()["_image"]["data"][:4] == b"\\x89PNG"
assert "export" in w.get_state()["_esm"]
w.add_point(20, 20)
try:
    w.masks
except ModelError as error:
    print(error)
"""
    assert "SAM 2 is not installed properly" in in_clean(python, script, tmp_path)


def test_the_bundled_model_answers_from_the_wheel(python, tmp_path):
    script = """
import os, sys
import numpy as np
import sam2_widget
from sam2_widget import Point, segment
assert "clean" in sam2_widget.__file__, sam2_widget.__file__
sys.path.append(os.environ["HEAVY"])
image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
print(segment(image, [Point(20, 20)], model="bundled").masks.shape)
"""
    heavy = sysconfig.get_path("purelib")
    assert in_clean(python, script, tmp_path, HEAVY=heavy) == "(1, 40, 50)"
