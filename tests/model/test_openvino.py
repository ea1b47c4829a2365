"""OpenVINO as the backend of the bundled model's and of EdgeTAM's encoder."""

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget import Point, SettingError, config, configure, load_model, segment
from sam2_widget.models import checkpoints, convert_encoder, predictors
from sam2_widget.models.checkpoints import BUNDLED, BUNDLED_SHA256
from sam2_widget.models.openvino import background, files, runtime
from sam2_widget.models.openvino.files import Network
from sam2_widget.predictor import Frame, Keyframe, PromptArrays
from tests.waiting import wait_until

rng = np.random.default_rng(3)
IMAGE = np.full((240, 320, 3), (60, 90, 130), np.uint8)
IMAGE[60:180, 90:230] = (200, 60, 40)
IMAGE = (IMAGE + rng.integers(0, 30, IMAGE.shape)).astype(np.uint8)
CLICK = PromptArrays(np.array([[160, 120]], np.float32), np.ones(1, np.int32))


@pytest.fixture(scope="session")
def bundled_network():
    """The bundled model's encoder, converted."""
    return convert_encoder.convert(predictors.load_file(BUNDLED, name="bundled", device="cpu"))


def forget_models():
    checkpoints._loaded.clear()
    checkpoints._newest.clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for converted encoders, and settings of its own."""
    monkeypatch.setattr(config, "_current", config.Resources(converted=tmp_path / "converted"))
    monkeypatch.setattr(background, "_failed", {})
    forget_models()
    return tmp_path / "converted"


@pytest.fixture
def archive(folder, bundled_network):
    """The archive of the bundled model in that folder."""
    path = files.archive_path(folder, BUNDLED_SHA256, runtime.installed_version())
    files.write(path, bundled_network)
    return path


def loaded() -> Any:
    return load_model("bundled", device="cpu")


def logits(predictor):
    return predictor.predict(predictor.embed(IMAGE), CLICK, multimask=True).logits


def no_conversion(*args):
    raise AssertionError("an encoder was converted again")


def test_masks_equal_those_of_torch_up_to_rounding(archive, monkeypatch):
    monkeypatch.setattr(background, "convert", no_conversion)
    configure(cpu_backend="torch")
    slow = loaded()
    configure(cpu_backend="openvino")
    fast = loaded()
    assert fast is not slow
    assert fast.identity != slow.identity
    one, other = logits(slow), logits(fast)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(other, one, atol=1e-2)
    np.testing.assert_array_equal(other > 0, one > 0)


def test_tracking_learns_from_the_same_features_with_both_backends(archive):
    frame = Frame(0, 1, IMAGE, lambda: pytest.fail("it encodes the frame itself"))
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[60:180, 90:230] = True
    keyframe = Keyframe(mask, np.where(mask, 9, -9).astype(np.float32), None)
    memories = []
    for backend in ("torch", "openvino"):
        configure(cpu_backend=backend)
        memories += loaded().remember(frame, [keyframe])
    one, other = memories
    assert one.near.products.shape == (321, 321)
    for name in ("near", "whole"):
        torch.testing.assert_close(getattr(other, name).products, getattr(one, name).products)
        torch.testing.assert_close(getattr(other, name).targets, getattr(one, name).targets)


def test_results_name_the_backend_and_repeat_exactly(archive):
    configure(cpu_backend="openvino")
    result = segment(IMAGE, Point(160, 120), model="bundled", device="cpu")
    implementation = result.provenance.implementation
    assert implementation.endswith(f", encoder in OpenVINO {runtime.installed_version()}")
    found = []
    for threads in (2, 1, 2, 1):  # the last number stays for the tests that follow
        configure(threads=threads)
        forget_models()
        found.append(logits(loaded()))
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])
    # On some processors the last bits depend on the number of threads, those of torch as well.
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_it_is_converted_in_the_background_and_used_from_the_next_load_on(folder):
    first = loaded()
    assert first.implementation.startswith("sam2 ")
    assert "OpenVINO" not in first.implementation
    assert logits(first).shape == (3, *first.logits_size)
    wait_until(lambda: first.outdated, "the conversion")
    (archive,) = folder.iterdir()
    assert archive.name.startswith(BUNDLED_SHA256)
    second = loaded()
    assert "OpenVINO" in second.implementation
    assert loaded() is second
    assert not second.note


def test_edgetam_equals_torch_up_to_rounding(edgetam_folder):
    slow = predictors.load_file(edgetam_folder / "model.safetensors", name="edgetam", device="cpu")
    network = convert_encoder.convert(slow)
    encoder = runtime.OpenVinoEncoder(network, slow.map_shapes())
    pixels = slow._pixels(IMAGE)[None]
    for one, other in zip(slow.feature_maps(pixels), encoder(pixels), strict=True):
        assert other.shape == one.shape
        assert float((other - one).abs().max()) < 1e-3 * float(one.abs().max())


def foreign(network):
    """The archive of a network with other maps."""
    openvino = runtime.load_library()
    op = openvino.opset13
    parameter = op.parameter([1, 3, 8, 8], np.float32)
    model = openvino.Model([op.relu(parameter)], [parameter])
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, files.GRAPH)
        openvino.save_model(model, graph)
        return zipped(Network(graph.read_bytes(), graph.with_suffix(".bin").read_bytes()))


def zipped(network, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        archive.writestr(files.GRAPH, network.graph)
        archive.writestr(files.WEIGHTS, network.weights)
    return data.getvalue()


DAMAGED = {
    "empty": lambda network: b"",
    "another kind of file": lambda network: b"not an archive" * 100,
    "cut off": lambda network: zipped(network)[:-1000],
    "compressed": lambda network: zipped(network, zipfile.ZIP_DEFLATED),
    "no network": lambda network: zipped(Network(b"<net/>", b"")),
    "half of the weights": lambda network: zipped(Network(network.graph, network.weights[:5000])),
    "another network": foreign,
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_or_foreign_archive_is_made_again(archive, bundled_network, monkeypatch, kind):
    archive.write_bytes(DAMAGED[kind](bundled_network))
    converted = []

    def convert(checkpoint, path):
        converted.append((checkpoint, path))
        files.write(path, bundled_network)

    monkeypatch.setattr(background, "convert", convert)
    configure(cpu_backend="openvino")
    assert "OpenVINO" in loaded().implementation
    assert converted == [(BUNDLED, archive)]
    assert files.read(archive) == bundled_network


SMALL = Network(b"<net>" + bytes(range(256)), bytes(range(256)) * 4)


@given(position=st.integers(0, len(zipped(SMALL)) - 1), value=st.integers(0, 255))
def test_a_changed_byte_never_gives_another_network(tmp_path_factory, position, value):
    data = bytearray(zipped(SMALL))
    data[position] = value
    path = tmp_path_factory.mktemp("archives") / "one.zip"
    path.write_bytes(data)
    assert files.read(path) in (None, SMALL)


def test_torch_is_used_with_a_note_if_the_folder_cannot_be_written(tmp_path, folder):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"no folder")
    configure(converted=blocked)
    first = loaded()
    assert not first.note
    path = files.archive_path(blocked, BUNDLED_SHA256, runtime.installed_version())
    wait_until(lambda: background.failure(path), "the failure")
    assert not first.outdated
    configure(cpu_backend="openvino")
    chosen = loaded()
    assert "OpenVINO" not in chosen.implementation
    assert chosen.note.startswith("the encoder could not be converted for OpenVINO: ")
    assert chosen.note.endswith(". torch is used.")
    assert logits(chosen).shape == (3, *chosen.logits_size)


def test_a_full_disk_leaves_no_file(archive, bundled_network, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    before = archive.read_bytes()
    monkeypatch.setattr(os, "fdopen", lambda *args: os.close(args[0]) or Full())
    with pytest.raises(OSError, match="No space left"):
        files.write(archive, bundled_network)
    assert archive.read_bytes() == before
    assert list(archive.parent.iterdir()) == [archive]


def test_only_the_newest_archives_are_kept(folder):
    paths = [folder / f"{number:064x}-2026.1.0-1.openvino.zip" for number in range(files.KEPT + 2)]
    for age, path in enumerate(paths):
        files.write(path, SMALL)
        os.utime(path, (1e9 + age, 1e9 + age))
    other = folder / "notes.txt"
    other.write_text("not ours")
    files.write(paths[0], SMALL)
    assert sorted(folder.iterdir()) == sorted([paths[0], *paths[-files.KEPT + 1 :], other])


def missing(name):
    raise PackageNotFoundError(name)


INSTALLED = {
    "missing": (missing, "OpenVINO is not installed: pip install 'sam2-widget[openvino]'"),
    "old": (
        lambda name: "2023.2.0",
        "OpenVINO 2023.2.0 is older than 2025.0: pip install 'sam2-widget[openvino]' --upgrade",
    ),
}


@pytest.mark.parametrize("kind", INSTALLED)
def test_without_the_library_torch_is_used(folder, monkeypatch, kind):
    version, message = INSTALLED[kind]
    monkeypatch.setattr(runtime, "version", version)
    assert not loaded().note
    configure(cpu_backend="openvino")
    chosen = loaded()
    assert chosen.note == f"{message}. torch is used."
    assert "OpenVINO" not in chosen.implementation


def test_a_conversion_that_fails_is_reported_with_its_reason(tmp_path):
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(RuntimeError, match=r"could not be converted for OpenVINO: .*safetensors"):
        background.convert(checkpoint, tmp_path / "archive.zip")
    assert not (tmp_path / "archive.zip").exists()


ABANDONED = """
import os, sys, time
from pathlib import Path
import psutil
from sam2_widget.models.openvino import background
background.start(Path(sys.argv[1]), Path(sys.argv[2]), lambda: None)
while not (children := psutil.Process().children()):
    time.sleep(0.01)
print(children[0].pid, flush=True)
os._exit(0)
"""


def test_a_conversion_ends_with_the_process_that_started_it(tmp_path):
    archive = tmp_path / "archive.zip"
    command = [sys.executable, "-c", ABANDONED, str(BUNDLED), str(archive)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    number = int(done.stdout)
    wait_until(lambda: not psutil.pid_exists(number), "the end of the conversion")
    assert not archive.exists()


QUIET = """
import os, sys
from pathlib import Path
from typing import Any
from sam2_widget.models.openvino import runtime
before = os.environ.copy()
runtime.load_library().Core()
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
assert os.environ == before
print(sorted(path.name for path in Path.home().iterdir()))
"""


def test_its_telemetry_is_not_imported_and_nothing_is_written_into_the_home_folder(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", QUIET]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("value", ["cuda", "", 1, True])
def test_another_backend_is_refused(folder, value):
    with pytest.raises(SettingError, match="'auto', 'torch', 'openvino', got"):
        configure(cpu_backend=value)


@pytest.mark.parametrize("value", ["", 3, True])
def test_a_folder_must_be_a_path(folder, value):
    with pytest.raises(SettingError, match="converted must be the path of a folder, got"):
        configure(converted=value)
