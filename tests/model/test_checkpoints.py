"""Files with weights: recognised by their content, refused with a reason."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sam2.modeling.position_encoding import PositionEmbeddingSine

from sam2_widget import CheckpointError, Point, UnknownModelError, load_model, segment
from sam2_widget.models.checkpoints import BUNDLED, Checkpoint, load_checkpoint
from sam2_widget.models.predictors import load_file
from sam2_widget.models.sam2.files import recognise

from .conftest import random_sam2

SIZES = {
    "configs/sam2.1/sam2.1_hiera_t.yaml": 38.9e6,
    "configs/sam2.1/sam2.1_hiera_s.yaml": 46.0e6,
    "configs/sam2.1/sam2.1_hiera_b+.yaml": 80.8e6,
    "configs/sam2.1/sam2.1_hiera_l.yaml": 224.4e6,
    "configs/sam2/sam2_hiera_t.yaml": 38.9e6,
}


@pytest.mark.parametrize("config", SIZES)
def test_every_architecture_is_recognised(config):
    model = random_sam2(config)
    count = sum(p.numel() for p in model.parameters())
    assert count == pytest.approx(SIZES[config], rel=0.02)
    # For images SAM 2 and 2.1 have the same architecture.
    assert recognise(model.state_dict()) == config.replace("sam2/sam2_", "sam2.1/sam2.1_")


def test_a_local_checkpoint_is_loaded(tiny_checkpoint):
    predictor = load_model(str(tiny_checkpoint), device="cpu")
    assert predictor.device == "cpu"
    assert load_model(str(tiny_checkpoint), device="cpu") is predictor
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    result = segment(image, [Point(20, 20)], model=str(tiny_checkpoint), device="cpu")
    assert result.masks.shape == (1, 40, 50)


def test_a_local_safetensors_checkpoint_is_loaded(tiny, tiny_checkpoint, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_file({k: v.contiguous() for k, v in tiny.state_dict().items()}, path)
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    one, two = (segment(image, [Point(20, 20)], model=str(p)) for p in (path, tiny_checkpoint))
    np.testing.assert_array_equal(one.masks, two.masks)


def test_no_tables_are_computed_on_a_gpu_while_a_model_is_built(tiny_checkpoint, monkeypatch):
    calls = []
    true_init = PositionEmbeddingSine.__init__

    def init(self, *args, warmup_cache=True, **kwargs):
        calls.append(warmup_cache)
        true_init(self, *args, warmup_cache=warmup_cache, **kwargs)

    monkeypatch.setattr(PositionEmbeddingSine, "__init__", init)
    load_file(tiny_checkpoint, name="tiny", device="cpu")
    assert calls == [False]


def test_a_missing_checkpoint_is_reported(tmp_path):
    with pytest.raises(UnknownModelError, match=r"there is no checkpoint .*none\.pt"):
        load_model(str(tmp_path / "none.pt"))


@pytest.mark.parametrize("name", ["cut.pt", "text.pt", "cut.safetensors", "text.safetensors"])
def test_a_damaged_file_is_reported(tmp_path, tiny_checkpoint, name):
    path = tmp_path / name
    source = BUNDLED if name.endswith("safetensors") else tiny_checkpoint
    path.write_bytes(b"hello" * 100 if "text" in name else source.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=name):
        load_model(str(path))


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"backbone.conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}},
        {"model": {}},
        [1, 2],
        {"model": 5},
    ],
)
def test_another_architecture_is_refused(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"other\.pt"):
        load_model(str(path))


@pytest.mark.parametrize(
    "name",
    [
        "no_mem_embed",
        "image_encoder.neck.convs.0.conv.weight",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "sam_mask_decoder.conv_s0.weight",
    ],
)
def test_missing_weights_are_reported(tmp_path, tiny, name):
    weights = dict(tiny.state_dict())
    weights.pop(name)
    path = tmp_path / "partial.pt"
    torch.save({"model": weights}, path)
    with pytest.raises(CheckpointError, match=f"Missing key.*{name}"):
        load_model(str(path))


def test_weights_of_an_unrelated_model_are_refused(tmp_path, tiny):
    path = tmp_path / "more.pt"
    torch.save({"model": {**tiny.state_dict(), "my_head.weight": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"Unexpected key.*my_head\.weight"):
        load_model(str(path))


def test_a_pickle_is_never_run(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"model": Evil(tmp_path / "ran")}, path)
    with pytest.raises(CheckpointError):
        load_model(str(path))
    assert not (tmp_path / "ran").exists()


CONFIG = """
_target_: pathlib.Path.touch
self: {_target_: pathlib.Path, _args_: ["%s"]}
model: {_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: ["%s"]}}
"""


def test_a_configuration_next_to_a_checkpoint_is_never_read(tmp_path, tiny_checkpoint, monkeypatch):
    ran = tmp_path / "ran"
    folder = tmp_path / "model"
    config = CONFIG % (ran, ran)
    for name in (
        "config.yaml",
        "model.yaml",
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        "sam2_hiera_t.yaml",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(config)
    (folder / "model.pt").write_bytes(tiny_checkpoint.read_bytes())
    monkeypatch.chdir(folder)
    assert load_model("model.pt", device="cpu").name == "model.pt"
    assert not ran.exists()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def _spoilt(data: bytes, how: str) -> bytes:
    """The content of a file after it was damaged."""
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return {"cut": data[:middle], "one bit": flipped, "empty": b""}[how]


@pytest.mark.parametrize("how", ["cut", "one bit", "empty"])
def test_a_damaged_bundled_file_is_refused(tmp_path, how):
    path = tmp_path / "bundled.safetensors"
    path.write_bytes(_spoilt(BUNDLED.read_bytes(), how))
    with pytest.raises(CheckpointError, match=r"truncated or altered.*install the package again"):
        load_checkpoint(Checkpoint("bundled", path), device="cpu")


def test_a_missing_bundled_file_is_reported(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot be read.*install the package again"):
        load_checkpoint(Checkpoint("bundled", tmp_path / "gone"), device="cpu")
