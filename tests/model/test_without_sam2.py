"""SAM 2 through transformers, as where the package sam2 cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import Sam2Config, Sam2Model

from sam2_widget import SegmentWidget, load_model
from sam2_widget.errors import CheckpointError, DownloadError, MissingLibraryError
from sam2_widget.models import checkpoints, packages
from sam2_widget.models.base.architecture import IMAGE_SIZE, SIZES, is_video_only
from sam2_widget.models.hugging_face import conversion
from sam2_widget.models.hugging_face import files as hugging_face_files
from sam2_widget.models.hugging_face.predictor import HuggingFacePredictor
from sam2_widget.models.sam2 import files as sam2_files
from sam2_widget.models.sam2.predictor import Sam2Predictor

from .conftest import random_sam2
from .hub import Hub
from .test_hugging_face import IMAGE, PROMPTS

TINY = "facebook/sam2.1-hiera-tiny"
EXACT = {"dtype": torch.float32, "kept": torch.float32}


@pytest.fixture
def no_sam2(monkeypatch):
    """`import sam2` fails."""
    monkeypatch.setitem(sys.modules, "sam2", None)


def for_images(weights):
    return {name: t.contiguous() for name, t in weights.items() if not is_video_only(name)}


def assert_equal_answers(ours, theirs):
    embeddings = [model.embed(IMAGE) for model in (ours, theirs)]
    for name, prompts in PROMPTS.items():
        if prompts.logits is not None and ours.logits_size != prompts.logits.shape:
            continue
        one, other = (
            model.predict(embedding, prompts, multimask=name == "points")
            for model, embedding in zip((ours, theirs), embeddings, strict=True)
        )
        assert other.logits.std() > 0.05
        np.testing.assert_allclose(one.logits, other.logits, atol=2e-4, err_msg=name)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4, err_msg=name)
        different = np.mean((one.logits > 0) != (other.logits > 0))
        assert different < 1e-4, name


def test_a_converted_checkpoint_gives_the_masks_of_the_package_sam2(tiny):
    network = hugging_face_files.build_converted(Path("tiny.pt"), tiny.state_dict())
    ours = HuggingFacePredictor(network, name="a", **EXACT)
    theirs = Sam2Predictor(tiny, name="b", **EXACT)
    assert_equal_answers(ours, theirs)
    assert ours.identity.split(",")[0] != theirs.identity.split(",")[0]
    # On many points, too.
    points = np.array([(20, 30), (60, 40), (50, 10), (90, 70), (130, 5)], np.float32)
    found = [model.predict_points(model.embed(IMAGE), points) for model in (ours, theirs)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, atol=2e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_another_size_of_the_input_is_converted_too():
    model = random_sam2("configs/sam2.1/sam2.1_hiera_b+.yaml")
    path, weights = Path("own.pt"), model.state_dict()
    network = hugging_face_files.build_converted(path, weights, 256)
    ours = HuggingFacePredictor(network, name="a", **EXACT)
    theirs = Sam2Predictor(sam2_files.build(path, weights, 256), name="b", **EXACT)
    assert ours.image_size == 256
    assert ours.map_shapes() == theirs.map_shapes()
    assert_equal_answers(ours, theirs)


@pytest.mark.parametrize("size", SIZES.values())
def test_every_size_has_the_architecture_of_the_package_sam2(size):
    config = f"configs/sam2.1/sam2.1_hiera_{sam2_files._CONFIGS[size]}.yaml"
    theirs = sam2_files._architecture(config, IMAGE_SIZE)
    with torch.device("meta"):
        ours = Sam2Model(Sam2Config.from_dict(conversion.settings(size, IMAGE_SIZE)))
    given = conversion.renamed(for_images(theirs.state_dict()))
    assert {n: t.shape for n, t in given.items()} == {
        n: t.shape for n, t in ours.state_dict().items()
    }
    assert [
        (b.window_size, b.attn.num_attention_heads, b.query_stride is not None)
        for b in ours.vision_encoder.backbone.blocks
    ] == [
        (b.window_size, b.attn.num_heads, b.q_stride is not None)
        for b in theirs.image_encoder.trunk.blocks
    ]


def test_a_checkpoint_that_does_not_fit_is_refused(tiny):
    weights, path = for_images(tiny.state_dict()), Path("tiny.pt")
    for changed, fault in (
        ({"image_encoder.trunk.adapter.weight": torch.zeros(3)}, "adapter.weight' is no part of"),
        ({"sam_mask_decoder.iou_token.weight": torch.zeros(1, 8)}, "does not fit SAM 2 tiny"),
        ({"image_encoder.trunk.pos_embed": torch.full((1, 96, 7, 7), torch.nan)}, "holds NaN"),
    ):
        with pytest.raises(CheckpointError, match=fault):
            hugging_face_files.build_converted(path, {**weights, **changed})
    del weights["sam_prompt_encoder.point_embeddings.2.weight"]
    with pytest.raises(CheckpointError, match=r"point_embeddings\.2\.weight' is missing"):
        hugging_face_files.build_converted(path, weights)
    with pytest.raises(CheckpointError, match="fits no architecture of SAM 2"):
        hugging_face_files.build_converted(path, {"a": torch.zeros(1)})


@pytest.fixture(scope="module")
def published_folder(tiny, tmp_path_factory):
    """The weights of `tiny` as they are on the hub for transformers, configured for videos."""
    folder = tmp_path_factory.mktemp("sam2")
    save_file(conversion.renamed(for_images(tiny.state_dict())), folder / "model.safetensors")
    settings = {**conversion.settings("tiny", IMAGE_SIZE), "model_type": "sam2_video"}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


SCRIPT = """
import json, sys
import tests.model.without_sam2
import sam2_widget
found = {"imported": [n for n in ("sam2", "transformers", "torch", "openvino") if n in sys.modules]}
import numpy as np
from sam2_widget import *
from sam2_widget.models.checkpoints import fetch

def error_of(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
prompts = [Point(20, 20), Point(5, 5, 0)]
w = SegmentWidget([image, image], model="tiny", device="cpu")
w.add_point(20, 20)
w.add_point(5, 5, label=0)
found["masks"] = w.masks.shape
found["status"] = str(w.status)
found["provenance"] = w.objects[0].provenance.implementation
found["tracking"] = error_of(w.track)
second = SegmentWidget(image, model="tiny", device="cpu")
second.add_point(20, 20)
second.masks
found["second"] = str(second.status)
headless = segment(image, prompts, model="tiny", device="cpu")
found["same"] = bool((headless.masks == w.masks).all())
found["headless"] = headless.provenance.implementation
found["files"] = sorted(p.name for p in fetch("tiny").path.parent.iterdir())
model = load_model("tiny", device="cpu")
found["proposals"] = len(
    propose(image, model=model, points_per_side=2, min_score=0, min_stability=0).masks
)
own = load_model(sys.argv[1], device="cpu")
found["own"] = [type(own).__name__, own.implementation]
same = segment(image, prompts, model=own)
found["same_weights"] = bool((same.masks == headless.masks).all())
third = SegmentWidget(image, model="bundled", device="cpu")
third.add_point(20, 20)
found["bundled"] = error_of(lambda: third.masks)
found["bundled_status"] = str(third.status)
found["bundled_headless"] = error_of(lambda: segment(image, prompts, model="bundled"))
found["sam2"] = [n for n in sys.modules if n.split(".")[0] == "sam2"]
found["wait_policy"] = __import__("os").environ["OMP_WAIT_POLICY"]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(published_folder, tiny_checkpoint, tmp_path_factory):
    """What a process without the package sam2 has found."""
    files = {path.name: path.read_bytes() for path in published_folder.iterdir()}
    with Hub({TINY: files}).running() as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path_factory.mktemp("hf")),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
        }
        for name in ("HF_HUB_OFFLINE", "OMP_WAIT_POLICY"):
            environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tiny_checkpoint)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=480,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_heavy_is_imported_and_sam2_never(found):
    assert found["imported"] == []
    assert found["sam2"] == []


def test_waiting_threads_sleep_whatever_the_model_is_called(found):
    assert found["wait_policy"] == "PASSIVE"


def test_a_published_name_is_loaded_from_its_files_for_transformers(found):
    assert found["files"] == ["config.json", "model.safetensors"]
    assert found["masks"] == [1, 40, 50]
    assert found["same"], "headless as in the widget"
    assert found["provenance"] == found["headless"]
    assert found["provenance"].startswith("transformers ")


def test_the_status_says_once_that_transformers_is_used(found):
    assert "SAM 2 runs through transformers, because the package sam2" in found["status"]
    assert "(pip install sam2)" in found["status"]
    assert "runs through transformers" not in found["second"]
    assert "w.model = 'edgetam' is several times quicker" in found["second"]


def test_proposals_are_found(found):
    assert found["proposals"] > 0


def test_a_checkpoint_of_the_package_sam2_is_converted(found):
    assert found["own"][0] == "HuggingFacePredictor"
    assert found["own"][1].startswith("transformers ")
    assert found["same_weights"]


def test_tracking_names_the_package_that_it_needs(found):
    assert found["tracking"] == (
        "ModelError: tracking with SAM 2 needs the package sam2, which is not installed: "
        "pip install sam2"
    )


def test_the_bundled_model_names_the_package_that_it_needs(found):
    sentence = "the bundled model needs the package sam2, which is not installed: pip install sam2"
    assert found["bundled"].startswith(f"ModelError: {sentence}")
    assert sentence in found["bundled_status"]
    assert found["bundled_headless"].startswith(f"MissingLibraryError: {sentence}")


@pytest.mark.usefixtures("no_sam2")
def test_auto_does_not_fall_back_to_a_model_that_needs_sam2(monkeypatch):
    def unreachable(hub_id, call):
        raise DownloadError(f"{hub_id!r} could not be fetched: no network; check it")

    monkeypatch.setattr(checkpoints, "_call_hub", unreachable)
    monkeypatch.setattr(checkpoints, "_cached", lambda *_: None)
    monkeypatch.setattr(checkpoints, "_unreachable_since", None)
    for _ in range(2):  # the second time the hub is not asked
        with pytest.raises(DownloadError, match=r"SAM 2\.1 tiny is not on this .* needs the"):
            load_model("auto", device="cpu")
    assert checkpoints.on_this_machine("bundled") is None


@pytest.mark.usefixtures("no_sam2")
def test_without_both_packages_nothing_is_downloaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert not packages.has_sam2()
    for name in ("tiny", "auto", "someone/fine-tuned"):
        with pytest.raises(MissingLibraryError, match=r"install sam2.*install transformers"):
            load_model(name, device="cpu")
    widget = SegmentWidget(IMAGE, model="tiny", device="cpu")
    widget.add_point(60, 40)
    with pytest.raises(RuntimeError, match="SAM 2 needs the package sam2"):
        widget.masks  # noqa: B018
    assert widget.status.phase == "error"
    assert widget.status.hint.startswith("Install it")
    widget.close()


def test_sam2_is_preferred_where_it_can_be_imported(monkeypatch):
    monkeypatch.setattr(checkpoints, "_cached", lambda *_: None)
    assert checkpoints._published_file(TINY) == "sam2.1_hiera_tiny.pt"
    monkeypatch.setitem(sys.modules, "sam2", None)
    assert checkpoints._published_file(TINY) == "model.safetensors"
    monkeypatch.setattr(checkpoints, "_cached", lambda _, file: file.endswith(".pt") or None)
    assert checkpoints._published_file(TINY) == "sam2.1_hiera_tiny.pt", "converted"
