import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from sam2_widget.models.embeddings.store import BadFileError, EmbeddingStore, decode, encode

ARRAYS = {"map0": np.arange(24, dtype=np.float16).reshape(2, 3, 4), "size": np.array([4, 3])}
GOOD = encode(ARRAYS, "model", "image")


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "new" / "folder", 2**20)


def same(found, expected=ARRAYS):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
        assert array.dtype == expected[name].dtype


def test_written_embeddings_are_read(store):
    assert store.read("model", "image") is None
    store.write("model", "image", ARRAYS)
    same(store.read("model", "image"))
    assert store.read("another model", "image") is None
    assert store.read("model", "another image") is None
    assert store.folder.stat().st_mode & 0o077 == 0


@given(st.binary(max_size=300))
def test_invalid_bytes_are_refused(data):
    with pytest.raises(BadFileError):
        decode(data, "model", "image")


@given(st.data())
def test_damaged_files_are_never_accepted(data):
    where = data.draw(st.integers(0, len(GOOD) - 1))
    if data.draw(st.booleans()):
        damaged = GOOD[:where]
    else:
        flipped = GOOD[where] ^ data.draw(st.integers(1, 255))
        damaged = GOOD[:where] + bytes([flipped]) + GOOD[where + 1 :]
    try:
        same(decode(damaged, "model", "image"))
    except BadFileError:
        return


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        st.sampled_from([np.zeros((0, 3), np.float16), np.ones((), np.int64), np.eye(3)[:, 1:]]),
        max_size=3,
    )
)
def test_any_arrays_round_trip(arrays):
    same(decode(encode(arrays, "m", "i"), "m", "i"), arrays)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD[:20],
        save(dict(ARRAYS)),
        encode(ARRAYS, "model", "another image"),
        GOOD.replace(b'"version":"1"', b'"version":"2"'),
    ],
    ids=["empty", "truncated", "header only", "foreign", "another's", "another version"],
)
def test_invalid_file_is_ignored_logged_and_replaced(store, data, caplog):
    store.write("model", "image", ARRAYS)
    (path,) = store.folder.iterdir()
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert store.read("model", "image") is None
    assert str(path) in caplog.text
    store.write("model", "image", ARRAYS)
    same(store.read("model", "image"))


def test_least_recently_used_files_are_removed(tmp_path):
    store = EmbeddingStore(tmp_path, 3 * len(GOOD) + 10)
    for number in range(3):
        store.write("model", f"image{number}", ARRAYS)
    for age, path in enumerate(sorted(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns)):
        os.utime(path, (age, age))
    store.read("model", "image0")
    store.write("model", "image3", ARRAYS)
    there = [store.read("model", f"image{number}") is not None for number in range(4)]
    assert there == [True, False, True, True]
    assert store.nbytes <= 3 * len(GOOD) + 10


def test_embedding_larger_than_the_store_is_not_written(tmp_path):
    EmbeddingStore(tmp_path, len(GOOD) - 1).write("model", "image", ARRAYS)
    assert not list(tmp_path.iterdir())


def test_temporary_file_of_a_dead_kernel_is_removed(store):
    store.folder.mkdir(parents=True)
    dead, alive = (store.folder / f".{digit * 32}.tmp" for digit in "da")
    for path in (dead, alive):
        path.write_bytes(GOOD)
    os.utime(dead, (0, 0))
    store.write("model", "image", ARRAYS)
    assert not dead.exists()
    assert alive.exists()


def test_full_disk_is_logged_and_leaves_no_file(store, monkeypatch, caplog):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING):
        store.write("model", "image", ARRAYS)
    assert "No space left" in caplog.text
    assert not list(store.folder.iterdir())


WRITER = """
import sys
from pathlib import Path
import numpy as np
from pathlib import Path
from sam2_widget.models.embeddings.store import EmbeddingStore
store = EmbeddingStore(Path(sys.argv[1]), int(sys.argv[2]))
for turn in range(60):
    name = f"image{turn % 5}"
    store.write("model", name, {"map0": np.full((64, 64), turn % 5, np.float16)})
    found = store.read("model", name)
    assert found is None or (found["map0"] == turn % 5).all()
"""


def test_several_kernels_share_a_folder(tmp_path):
    command = [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path), "30000"]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [writer.communicate(timeout=60)[1] for writer in writers]
    assert [(writer.returncode, error) for writer, error in zip(writers, errors, strict=True)] == [
        (0, "")
    ] * 3
    store = EmbeddingStore(tmp_path, 30000)
    for number in range(5):
        found = store.read("model", f"image{number}")
        assert found is None or (found["map0"] == number).all()
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("step", ["open", "unlink"])
def test_file_deleted_by_another_kernel_is_not_an_error(store, monkeypatch, caplog, step):
    store.write("model", "image", ARRAYS)
    (old,) = store.folder.iterdir()
    os.utime(old, (0, 0))
    do = getattr(Path, step)

    def replaced_meanwhile(path, *arguments, **options):
        if path == old:
            os.unlink(old)  # noqa: PTH108 - that of Path is under test
        return do(path, *arguments, **options)

    monkeypatch.setattr(Path, step, replaced_meanwhile)
    with caplog.at_level(logging.WARNING):
        EmbeddingStore(store.folder, len(GOOD) + 1).write("model", "other", ARRAYS)
    assert not caplog.text
    assert not old.exists()


def test_only_embeddings_are_deleted(store):
    store.write("model", "image", ARRAYS)
    (own,) = store.folder.iterdir()
    damaged = own.with_name(f"{'d' * 40}.safetensors")
    damaged.write_bytes(own.read_bytes()[:50])
    others = {
        "model.safetensors": save({"weights": np.zeros(9)}),
        f"{'0' * 40}.safetensors": save({"weights": np.zeros(9)}),
        f"{'1' * 40}.safetensors": save({"weights": np.zeros(9)}, {"format": "pt"}),
        ".mine.tmp": b"notes",
        "notes.txt": b"notes",
    }
    for name, data in others.items():
        (store.folder / name).write_bytes(data)
        os.utime(store.folder / name, (0, 0))
    EmbeddingStore(store.folder, len(GOOD) + 1).write("model", "other", ARRAYS)
    store.clear()
    assert {path.name for path in store.folder.iterdir()} == others.keys()
