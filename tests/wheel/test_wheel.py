"""The wheel as a user gets it: built in isolation, installed in an environment of its own."""

import email
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sam2_widget

ROOT = Path(__file__).parents[2]
BUNDLE = ("widget.js", "widget.css", "set.js", "set.css")
HEAVY = ("sam2", "torch", "torchvision", "safetensors")


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Folder with the sdist and the wheel built from it, as an installer without a wheel would."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(dist, tmp_path_factory):
    """The sdist without the bundle that it carries, so that a build has to make it anew."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        archive.extractall(folder)
    (root,) = folder.iterdir()
    shutil.rmtree(root / "sam2_widget" / "static")
    return root


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


def metadata_of(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "static/widget.js",
        "static/widget.css",
        "static/set.js",
        "static/set.css",
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
    # The extension of the server is an administrator's to enable.
    assert not [name for name in names if "jupyter_server_config" in name]
    assert wheel.stat().st_size < 16e6


def test_the_front_end_is_small_and_loads_nothing_from_other_hosts(wheel):
    archive = zipfile.ZipFile(wheel)
    for name, most in (("widget", 300_000), ("set", 100_000)):
        script = archive.read(f"sam2_widget/static/{name}.js").decode()
        style = archive.read(f"sam2_widget/static/{name}.css").decode()
        assert len(script) + len(style) < most
        for text in (script, style):
            assert "import(" not in text
            assert "url(http" not in text
            assert "fetch(" not in text


def test_the_sdist_has_all_sources_of_the_front_end(unpacked, wheel, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(unpacked))
    rebuilt = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    for name in (f"sam2_widget/static/{one}" for one in BUNDLE):
        assert rebuilt.read(name) == zipfile.ZipFile(wheel).read(name)
    assert rebuilt.namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_sdist_has_tests_documents_and_notebooks(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "README.md",
        "docs/prompts.md",
        "js/tests/geometry.test.js",
        "notebooks/quickstart.ipynb",
        "tests/python/test_session.py",
    }
    assert needed <= names
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


def test_the_version_is_the_same_wherever_it_is_written(wheel):
    version = sam2_widget.__version__
    assert wheel.name == f"sam2_widget-{version}-py3-none-any.whl"
    written = {
        "CITATION.cff": r"^version: (.+)$",
        "recipe/recipe.yaml": r'^  version: "(.+)"$',
    }
    for name, pattern in written.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.findall(pattern, text, re.MULTILINE) == [version], name


CONDA_NAMES = {
    "huggingface-hub": "huggingface_hub",
    "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
}


def test_the_conda_recipe_requires_what_the_wheel_requires(wheel):
    required = {}
    for requirement in map(Requirement, metadata_of(wheel).get_all("Requires-Dist")):
        if requirement.marker is None:
            name: str = canonicalize_name(requirement.name)
            name = CONDA_NAMES.get(name, name)
            required[name] = set(str(requirement.specifier).split(","))
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    python, *others = recipe["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert {line.split()[0]: set(line.split()[1].split(",")) for line in others} == required


def test_the_metadata_names_the_home_page_and_every_tested_python(wheel):
    metadata = metadata_of(wheel)
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} == set(urls)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"] == "The sam2-widget developers"
    pythons = re.findall(r":: (3\.\d+)$", "\n".join(metadata.get_all("Classifier")), re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    (tested,) = re.findall(r"python: (\[.+\])", workflow)
    assert pythons == json.loads(tested)


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
