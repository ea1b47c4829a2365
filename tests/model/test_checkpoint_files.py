"""Users' checkpoint files: each is read, or refused with a correct reason."""

import argparse
import io
import math
import os
import pickle
import re
import subprocess
import sys
import tarfile
import types
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor

from sam2_widget import CheckpointError, Point, SegmentWidget, load_model, segment
from sam2_widget.annotation.predictions import to_arrays
from sam2_widget.errors import SettingError
from sam2_widget.models.base import weight_files
from sam2_widget.models.base.weight_files import MOST_PICKLE_BYTES, read
from sam2_widget.models.bundled import network
from sam2_widget.models.checkpoints import BUNDLED
from sam2_widget.models.sam2.files import build
from sam2_widget.models.sam2.predictor import Sam2Predictor
from tests import bounded

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"
STEM = "image_encoder.trunk.patch_embed.proj.weight"
WEIGHTS = {
    STEM: torch.arange(6.0).reshape(2, 3),
    "no_mem_embed": torch.tensor([7.0]),
    "sam_mask_decoder.iou_token.weight": torch.tensor([8.0, 9.0]),
}
OTHERS = {name: tensor + 100 for name, tensor in WEIGHTS.items()}


def prefixed(prefix, weights=WEIGHTS):
    return {prefix + name: tensor for name, tensor in weights.items()}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def check_is(found, weights=WEIGHTS):
    assert list(found) == list(weights)
    for name, tensor in weights.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


WRAPPED = {
    "bare": WEIGHTS,
    "model": {"model": WEIGHTS},
    "state_dict": {"state_dict": WEIGHTS, "epoch": 3},
    "model_state_dict": {"model_state_dict": WEIGHTS, "optimizer_state_dict": {"state": {0: {}}}},
    "any name": {"my_best_network": OrderedDict(WEIGHTS)},
    "twice": {"checkpoint": {"model": WEIGHTS}},
    "DataParallel": {"model": prefixed("module.")},
    "torch.compile": prefixed("_orig_mod."),
    "both": {"state_dict": prefixed("module._orig_mod.")},
    "Lightning": {"state_dict": {**prefixed("model."), "loss.weight": torch.ones(1)}},
    "inside": {
        k.replace("image_encoder.", "image_encoder._orig_mod."): v for k, v in WEIGHTS.items()
    },
    "FSDP": prefixed("_fsdp_wrapped_module."),
    "checkpointing": {
        k.replace("trunk.", "trunk._checkpoint_wrapped_module."): v for k, v in WEIGHTS.items()
    },
    "with numbers": {**WEIGHTS, "epoch": 3, "best": 0.5},
    "averaged beside": {"model_ema": OTHERS, "model": WEIGHTS},
    "averaged alone": {"ema": WEIGHTS},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old form"])
@pytest.mark.parametrize("how", WRAPPED)
def test_weights_are_found_in_their_wrappers(tmp_path, how, old):
    path = saved(tmp_path / "a.pt", WRAPPED[how], _use_new_zipfile_serialization=not old)
    check_is(read(path).weights)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_weights_are_found_in_safetensors_with_any_file_name(tmp_path, name, prefix):
    save_file(prefixed(prefix), tmp_path / name)
    found = read(tmp_path / name).weights
    check_is({key: found[key] for key in WEIGHTS})


def test_a_torch_save_file_with_a_safetensors_suffix_must_be_renamed(tmp_path):
    path = saved(tmp_path / "a.safetensors", WEIGHTS)
    with pytest.raises(CheckpointError, match=r"is of torch\.save: call it \.pt"):
        read(path)
    check_is(read(path.rename(tmp_path / "a.pt")).weights)


def test_the_model_chosen_among_several_is_reported(tmp_path):
    found = read(saved(tmp_path / "a.pt", {"model": WEIGHTS, "model_ema": OTHERS}))
    assert "'model' is used" in found.note
    with pytest.raises(CheckpointError, match=r"several models \('student', 'teacher'\)"):
        read(saved(tmp_path / "b.pt", {**prefixed("student."), **prefixed("teacher.", OTHERS)}))


BESIDE = {
    "Namespace": argparse.Namespace(lr=1e-4, dirs=["a"]),
    "SimpleNamespace": types.SimpleNamespace(a=1),
    "NumPy scalar": np.float64(0.93),
    "NumPy integer": np.int64(3),
    "NumPy array": np.arange(4),
    "path": Path("/data"),
    "date": datetime(2026, 1, 2),  # noqa: DTZ001 - as scripts write it
    "defaultdict": defaultdict(list, {"a": [1]}),
    "OmegaConf": OmegaConf.create({"lr": 0.1, "sizes": [1, 2], "name": "a"}),
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old form"])
@pytest.mark.parametrize("kind", BESIDE)
def test_plain_data_next_to_the_weights_is_ignored(tmp_path, kind, old):
    content = {"args": BESIDE[kind], "model": WEIGHTS, "more": {"deep": [BESIDE[kind]]}}
    path = saved(tmp_path / "a.pt", content, _use_new_zipfile_serialization=not old)
    check_is(read(path).weights)


SIZED = {
    "beside": {"model": WEIGHTS, "image_size": 512},
    "Namespace": {"model": WEIGHTS, "args": argparse.Namespace(img_size=512)},
    "config": {"model": WEIGHTS, "cfg": {"trainer": {"model": {"image_size": 512}}}},
    "OmegaConf": {
        "model": WEIGHTS,
        "config": OmegaConf.create({"model": {"image_size": 512}, "a": [1]}),
    },
    "pair": {"model": WEIGHTS, "hparams": {"input_size": (512, 512)}},
    "shape": {"model": WEIGHTS, "hparams": {"input_size": [3, 512, 512]}},
}


@pytest.mark.parametrize("how", SIZED)
def test_the_input_size_is_read_where_it_is_stated(tmp_path, how):
    found = read(saved(tmp_path / "a.pt", SIZED[how]))
    assert found.image_size == 512
    check_is(found.weights)


def test_the_input_size_is_read_from_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "a.safetensors", metadata={"image_size": "512"})
    assert read(tmp_path / "a.safetensors").image_size == 512


@pytest.mark.parametrize("value", [0, -512, 500, 10**9, True, "big", None, [512, 256], 1e99, {}])
def test_invalid_input_sizes_are_ignored(tmp_path, value):
    assert (
        read(saved(tmp_path / "a.pt", {"model": WEIGHTS, "image_size": value})).image_size is None
    )


def with_pickle(path, data):
    """A file of torch.save with another pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    return path


def compressed(source, path):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return path


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:65b50056\nsize 155906050\n"
FOREIGN = {
    "pointer": (POINTER, "Git LFS pointer.*git lfs pull"),
    "page": (b"<!DOCTYPE html>\n<html><head>", "web page.*download the file itself"),
    "page with space": (b"\xef\xbb\xbf\n <HTML lang=en>", "web page"),
    "error of a store": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "XML text"),
    "error of an API": (b'{"error": "Invalid credentials"}', "JSON text"),
    "nothing": (b"", "is empty: download it again"),
    "gzip": (b"\x1f\x8b\x08\x00", "compressed by gzip: unpack"),
    "Keras": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "pickle": (pickle.dumps({"model": [1.0]}), "pickle that torch.save did not write"),
    "text": (b"hello" * 100, r"it begins with b'hellohellohe'"),
}


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_the_error_names_another_kind_of_file(tmp_path, kind, name):
    data, expected = FOREIGN[kind]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=expected):
        read(tmp_path / name)


def test_the_error_names_an_archive(tmp_path):
    inner = saved(tmp_path / "a.pt", WEIGHTS)
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        archive.write(inner, "a.pt")
    with tarfile.open(tmp_path / "c.pt", "w") as archive:
        archive.add(inner, "a.pt")
    compressed(inner, tmp_path / "d.pt")
    for name, expected in (
        ("b", "ZIP archive of other files: unpack it"),
        ("c", "tar archive: unpack it"),
        ("d", "compressed as a ZIP since torch.save wrote it: take the original"),
    ):
        with pytest.raises(CheckpointError, match=expected):
            read(tmp_path / f"{name}.pt")


@pytest.mark.filterwarnings(
    "ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning"
)
def test_the_error_names_a_torchscript_program(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="TorchScript program"):
        read(tmp_path / "a.pt")


class Trainer:
    pass


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old form"])
def test_the_error_names_an_unsafe_object_without_terminal_codes(tmp_path, old):
    content = {"model": WEIGHTS, "trainer": Trainer()}
    path = saved(tmp_path / "a.pt", content, _use_new_zipfile_serialization=not old)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    said = str(caught.value)
    assert "Trainer" in said
    assert "torch.save(model.state_dict(), path)" in said
    assert said.isprintable()
    assert "download it again" not in said


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_the_error_names_another_pickle_protocol(tmp_path, protocol):
    path = saved(tmp_path / "a.pt", WEIGHTS, pickle_protocol=protocol)
    with pytest.raises(CheckpointError, match="another pickle protocol: save the weights alone"):
        read(path)


OTHER = {
    "SAM 1": ({"image_encoder.pos_embed": torch.ones(1)}, r"SAM 1\)"),
    "transformers": ({"vision_encoder.backbone.a": torch.ones(1)}, "Hugging Face transformers"),
    "LoRA": ({"base_model.model.q.lora_A.weight": torch.ones(1)}, "LoRA adapters: merge"),
    "decoder": ({"model": {"sam_mask_decoder.a": torch.ones(1)}}, "without the image encoder"),
    "encoder": ({"trunk.patch_embed.proj.weight": torch.ones(1)}, "image encoder of SAM 2 alone"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_the_error_names_weights_of_another_model(tmp_path, kind):
    content, expected = OTHER[kind]
    path = saved(tmp_path / "a.pt", content)
    with pytest.raises(CheckpointError, match=expected):
        build(path, read(path).weights)


NOT_PLAIN = {
    "integers": torch.ones(2, 3, dtype=torch.int8),
    "sparse": torch.eye(3).to_sparse(),
    "complex": torch.ones(2, dtype=torch.complex64),
    "no numbers": torch.empty(2, 3, device="meta"),
}


@pytest.mark.filterwarnings("ignore:Validating sparse tensor:UserWarning")
@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_weights_that_are_not_plain_floats_are_refused(tmp_path, kind):
    path = saved(tmp_path / "a.pt", {**WEIGHTS, STEM: NOT_PLAIN[kind]})
    with pytest.raises(CheckpointError, match=f"{re.escape(repr(STEM))} as .*floating point"):
        read(path)


def repeated(*shape):
    """A tensor of many numbers that share one element in memory."""
    return torch.ones(1).expand(*shape)


HOSTILE = """
import sys, pathlib, torch
from sam2_widget.models.base.weight_files import read
from sam2_widget import CheckpointError
from tests.bounded import peak_kib
before = peak_kib()
for name in sys.argv[1:]:
    try:
        read(pathlib.Path(name))
    except CheckpointError as error:
        print(name.rsplit("/")[-1], error)
    else:
        print(name.rsplit("/")[-1], "was read")
    grown = peak_kib() - before
    assert grown < 1_100_000, f"{name}: {grown} KiB"
"""


def hostile_files(folder):
    """Small files that claim to contain huge tensors."""
    strided = {**WEIGHTS, STEM: repeated(2**20, 2**12)}
    saved(folder / "strides.pt", strided)
    saved(folder / "old strides.pt", strided, _use_new_zipfile_serialization=False)
    saved(folder / "many.pt", {f"{i}.{STEM}": repeated(2**14) for i in range(2000)})
    for number, call in enumerate(
        (
            b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x40\x85R.",
            b"ctorch\nFloatTensor\n\x8a\x06\x00\x00\x00\x00\x00\x40\x85R.",
            b"\x8f" * 10 + b".",
            b"(" * 1000 + b".",
            b"\x8f" * (MOST_PICKLE_BYTES - 10) + b".",
            b"]" * (MOST_PICKLE_BYTES + 1) + b".",
            b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
            b"h\x05.",
            b"\x88" * 9,
        )
    ):
        with_pickle(folder / f"pickle {number}.pt", b"\x80\x02" + call)
    old = io.BytesIO()
    torch.save(WEIGHTS, old, _use_new_zipfile_serialization=False)
    data = old.getvalue()
    # The number of a storage's elements, before its `None` of no view.
    (folder / "old size.pt").write_bytes(data.replace(b"K\x06N", b"J\xff\xff\xff\x7fN", 1))
    (folder / "old long.pt").write_bytes(data[:100] + b"]" * (2 * MOST_PICKLE_BYTES))
    (folder / "old cut.pt").write_bytes(data[: len(data) // 2])
    (folder / "header.safetensors").write_bytes((99_999_999).to_bytes(8, "little") + b"{")
    return sorted(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="its memory is measured otherwise")
def test_small_files_that_claim_huge_tensors_are_refused_in_little_memory(tmp_path):
    files = [str(path) for path in hostile_files(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, *files],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert len(said) == len(files)
    assert not [line for line in said if "was read" in line]
    assert "claims 17179869" in next(line for line in said if line.startswith("strides"))
    assert "claims 17179869" in next(line for line in said if line.startswith("old strides"))
    assert "'os.system'" in next(line for line in said if line.startswith("pickle 6"))


def test_truncated_or_corrupted_files_are_refused_or_read(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.pt"
    for old in (False, True):
        data = saved(
            path,
            {"model": WEIGHTS, "args": argparse.Namespace(a=1)},
            _use_new_zipfile_serialization=not old,
        ).read_bytes()
        for _ in range(300):
            spoilt = bytearray(data)
            for place in rng.integers(0, len(data), rng.integers(1, 5)):
                spoilt[place] = rng.integers(0, 256)
            path.write_bytes(spoilt[: rng.integers(0, len(data))] if rng.random() < 0.2 else spoilt)
            try:
                found = read(path)
            except CheckpointError:
                continue
            assert isinstance(found, weight_files.CheckpointContent)


# --- from the file to masks, with the real architecture -----------------------------------------

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)


def test_a_training_checkpoint_gives_the_masks_of_its_bare_weights(tmp_path, tiny, tiny_checkpoint):
    run = {
        "state_dict": prefixed("module._orig_mod.", tiny.state_dict()),
        "args": argparse.Namespace(lr=1e-4),
        "best": np.float64(0.9),
    }
    path = saved(tmp_path / "run.pt", run, _use_new_zipfile_serialization=False)
    found = segment(IMAGE, [Point(20, 20)], model=str(path), device="cpu")
    expected = segment(IMAGE, [Point(20, 20)], model=str(tiny_checkpoint), device="cpu")
    np.testing.assert_array_equal(found.masks, expected.masks)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_weights_of_a_diverged_training_are_reported(tmp_path, tiny):
    weights = dict(tiny.state_dict())
    weights["no_mem_embed"] = torch.full_like(weights["no_mem_embed"], math.nan)
    with pytest.raises(CheckpointError, match="NaN or infinity in 'no_mem_embed'"):
        load_model(saved(tmp_path / "a.pt", {"model": weights}), device="cpu")


@pytest.mark.parametrize("size", [500, 32, 4096, "512", 512.0, True])
def test_an_unsupported_input_size_is_refused(tiny_checkpoint, size):
    with pytest.raises(SettingError, match="multiple of 32 from 64 to 2048"):
        load_model(tiny_checkpoint, device="cpu", image_size=size)


def test_the_bundled_model_has_one_input_size():
    with pytest.raises(SettingError, match="leave it out"):
        load_model("bundled", device="cpu", image_size=512)


@pytest.fixture(scope="module")
def small_input(tmp_path_factory, tiny):
    """A checkpoint that states an input of 512 pixels."""
    path = tmp_path_factory.mktemp("small") / "fine-tuned.pt"
    return saved(path, {"model": tiny.state_dict(), "args": argparse.Namespace(image_size=512)})


def test_at_another_input_size_the_masks_are_those_of_sam2(small_input):
    content = read(small_input)
    whole = build_sam2(TINY, device="cpu", hydra_overrides_extra=["++model.image_size=512"])
    whole.load_state_dict(dict(content.weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # sam2 scripts its transforms
        theirs = SAM2ImagePredictor(whole)
    theirs._bb_feat_sizes = [(128, 128), (64, 64), (32, 32)]  # it has those of 1024 written down
    theirs.set_image(IMAGE)
    _, scores, logits = theirs.predict(np.array([[20, 20]]), np.array([1]))
    model = build(small_input, content.weights, content.image_size)
    options = {"dtype": torch.float32, "kept": torch.float32, "fast_decoder": False}
    ours = Sam2Predictor(model, name="a", **options)
    found = ours.predict(ours.embed(IMAGE), to_arrays((Point(20, 20),)), multimask=True)
    np.testing.assert_array_equal(found.logits, logits)
    np.testing.assert_array_equal(found.scores, scores)
    assert (ours.logits_size, found.logits.shape) == ((128, 128), (3, 128, 128))


def test_the_input_size_is_used_and_reported(small_input, tiny_checkpoint):
    stated: Any = load_model(small_input, device="cpu")
    assert (stated.image_size, stated.logits_size) == (512, (128, 128))
    assert stated.note == "The model's input is 512 x 512 pixels, as its checkpoint states."
    # An explicit argument overrides the stated size.
    given: Any = load_model(small_input, device="cpu", image_size=256)
    assert (given.image_size, given.note) == (256, "")
    assert stated.identity != given.identity
    assert load_model(small_input, device="cpu", image_size=256) is given
    unknown: Any = load_model(tiny_checkpoint, device="cpu")
    assert unknown.image_size == 1024
    assert "does not state the size of its input, 1024 pixels are used" in unknown.note
    w = SegmentWidget(IMAGE, model=stated)
    assert w.masks.shape == (0, 40, 50)
    assert str(w.status) == stated.note
    w.close()


# --- special files, and files that are exchanged --------------------------------------------------


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_pipes_and_devices_are_refused_as_checkpoints(tmp_path, name):
    """In a separate process, because reading a pipe would wait for its writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / name).symlink_to(tmp_path / "pipe")
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    code = f"""
    from pathlib import Path
    from sam2_widget import CheckpointError
    from sam2_widget.models.checkpoints import check_bundled, check_sha256
    from sam2_widget.models.base import weight_files
    for path in (Path("{tmp_path}/{name}"), Path("{tmp_path}/zero-{name}")):
        for read in (
            weight_files.read, weight_files.sha256_of, check_bundled,
            lambda path: check_sha256(path, "0")
        ):
            try:
                read(path)
            except CheckpointError as error:
                print("regular" in str(error))
    """
    assert bounded.run(code, megabytes=8192).split() == ["True"] * 8


def test_a_checkpoint_exchanged_after_the_check_is_not_loaded(tmp_path, monkeypatch):
    path, other = tmp_path / "a.pt", tmp_path / "b.pt"
    saved(other, {"model": OTHERS})
    find = weight_files._fault_of_zip

    def exchanged(archive, size):
        other.replace(path)
        return find(archive, size)

    saved(path, {"model": WEIGHTS})
    monkeypatch.setattr(weight_files, "_fault_of_zip", exchanged)
    check_is(read(path).weights)
    monkeypatch.undo()
    check_is(read(path).weights, OTHERS)


def test_a_checkpoint_of_excessive_size_is_not_read(tmp_path):
    path = saved(tmp_path / "a.pt", {"model": WEIGHTS})
    os.truncate(path, weight_files.MOST_BYTES + 1)  # a sparse file: it takes no space on disk
    with pytest.raises(CheckpointError, match="has more than 64 GiB"):
        read(path)


@pytest.mark.parametrize("side", ["100000", "0", "100", "x"])
def test_a_compact_checkpoint_must_state_a_valid_input_size(tmp_path, side):
    metadata = {**network.read_metadata(BUNDLED), "image_size": side}
    save_file(load_file(BUNDLED), tmp_path / "a.safetensors", metadata)
    with pytest.raises(CheckpointError, match="compact kind, but does not fit it"):
        load_model(str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b'{"__metadata__": {"a": 1}}', b'{"__metadata__": "' + b"x" * 2**24]
)
def test_invalid_metadata_are_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="is no safetensors file"):
        network.read_metadata(path)
