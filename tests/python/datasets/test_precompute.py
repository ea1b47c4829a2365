"""Images of a set that are encoded before they are opened, in Python and by the command line."""

import numpy as np
import pytest
from PIL import Image

from sam2_widget import (
    ImageSet,
    SettingError,
    cli,
    config,
    embeddings,
    precompute,
    segment,
)
from sam2_widget.config import Resources
from sam2_widget.models import precompute as encoding
from sam2_widget.prompts.types import Point
from sam2_widget.testing import FakePredictor


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(config, "_current", Resources())
    embeddings.clear()
    yield
    embeddings.clear()


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(4)
    for name in ("a.png", "b 1.png", "left/ü.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (30, 40, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "source", [str, lambda folder: folder, lambda folder: f"{folder}/**/*.png", ImageSet]
)
def test_a_folder_a_glob_and_a_set_are_encoded(folder, source):
    predictor = FakePredictor()
    images = source(folder)
    found = precompute(images, model=predictor, progress=False)
    assert (found.encoded, found.known, found.failures) == (3, 0, {})
    segment(folder / "b 1.png", [Point(1, 1)], model=predictor)
    assert predictor.embedded == 3
    if isinstance(images, ImageSet):
        images.close()


def test_a_set_has_its_own_model_and_options(tmp_path):
    (tmp_path / "deep").mkdir()
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    Image.fromarray(deep).save(tmp_path / "deep" / "a.png")
    predictor = FakePredictor()
    images = ImageSet(tmp_path / "deep", model=predictor, contrast_limits=(0, 500))
    assert precompute(images, progress=False).encoded == 1
    images["a.png"].prompts = [Point(3, 3)]
    assert images["a.png"].masks.shape == (1, 30, 40)
    assert predictor.embedded == 1
    with pytest.raises(SettingError, match="contrast_limits"):
        precompute(images, contrast_limits="full")
    images.close()


def test_a_stopped_run_resumes_where_it_was(folder):
    class Interrupted(FakePredictor):
        most = 2

        def embed(self, image):
            if self.embedded == self.most:
                raise KeyboardInterrupt
            return super().embed(image)

    predictor = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        precompute(folder, model=predictor, progress=False)
    predictor.most = 9
    found = precompute(folder, model=predictor, progress=False)
    assert (found.encoded, found.known) == (1, 2)


# The command line shows warnings, which fail the other tests.
@pytest.mark.filterwarnings("default")
def test_the_command_stores_and_skips_what_is_stored(folder, tmp_path, capsys):
    arguments = ["precompute", str(folder), "--model", "bundled", "--store", str(tmp_path / "s")]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().err
    assert "3/3" in printed
    assert "3 images were encoded and 0 were known" in printed
    assert str(tmp_path / "s") in printed
    embeddings.clear()
    (folder / "c.png").write_bytes(b"no image")
    assert cli.main(arguments) == 1
    printed = capsys.readouterr().err
    assert "0 images were encoded and 3 were known" in printed
    assert "c.png" in printed


def test_the_command_is_stopped_by_ctrl_c_and_resumed(folder, tmp_path, capsys, monkeypatch):
    store = tmp_path / "store"
    arguments = ["precompute", str(folder), "--model", "bundled", "--store", str(store)]
    encoded, count = encoding._encoded, iter(range(9))

    def interrupted(*given):
        if next(count) == 2:
            raise KeyboardInterrupt
        return encoded(*given)

    with monkeypatch.context() as patched:
        patched.setattr(encoding, "_encoded", interrupted)
        assert cli.main(arguments) == 130
    assert "stopped: the same command goes on where it was" in capsys.readouterr().err
    embeddings.clear()
    assert cli.main(arguments) == 0
    assert "1 images were encoded and 2 were known" in capsys.readouterr().err
