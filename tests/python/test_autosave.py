"""Prompts that save themselves: in the kernel, on disk, by what is in the image."""

import errno
import os
import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2_widget import (
    ExistsError,
    ExportError,
    ImageStack,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
)
from sam2_widget.autosave import folder as folders
from sam2_widget.autosave import kernel
from sam2_widget.autosave.folder import SaveFolder
from sam2_widget.autosave.identity import image_key
from sam2_widget.autosave.kernel import Record, SessionStore
from sam2_widget.prompts.stacks import StackPrompts

RNG = np.random.default_rng(2)
RGB = RNG.integers(0, 255, (40, 60, 3), np.uint8)
KEY, OTHER = "0" * 32, "1" * 32


def prompts(count, label=None):
    return Prompts(tuple(ObjectPrompts((Point(i + 1, 2),), label) for i in range(count)))


def planes(count):
    return StackPrompts({0: prompts(count)})


def record(count, seconds, plane=0, along=""):
    made = Record(along)
    made.put(plane, lambda: prompts(count), seconds)
    return made


# --- the image ------------------------------------------------------------------------------------


def test_key_depends_on_the_pixels():
    key = image_key(RGB)
    assert re.fullmatch(r"[0-9a-f]{32}", key)
    assert image_key(RGB.copy(order="F")) == key
    changed = RGB.copy()
    changed[39, 59, 2] ^= 1
    assert image_key(changed) != key
    assert image_key(RGB.reshape(60, 40, 3)) != key


@pytest.mark.parametrize("form", ["array", "file", "list", "folder"])
def test_key_of_a_stack_depends_on_all_planes(form, tmp_path):
    first = np.zeros((4, 40, 60), np.uint8)
    second = first.copy()
    second[3, 8:24] = 200

    def key_of(volume, name):
        if form == "file":
            tifffile.imwrite(tmp_path / name, volume, photometric="minisblack")
            volume = tmp_path / name
        elif form == "list":
            volume = list(volume)
        elif form == "folder":
            volume = saved_frames(tmp_path / name, volume)
        axis = {"along": "Z"} if form == "folder" else {"axes": "ZYX"}
        stack = ImageStack(volume, **axis)
        return image_key(stack[0].rgb, stack)

    assert key_of(first, "a.tif") == key_of(first.copy(), "b.tif")
    assert key_of(first, "c.tif") != key_of(second, "d.tif")


def saved_frames(folder, frames):
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def test_key_of_a_large_stack_samples_every_plane():
    volume = np.zeros((7, 512, 600), np.uint16)
    other = volume.copy()
    other[5] = 9
    stacks = [ImageStack(one, axes="ZYX") for one in (volume, other)]
    keys = [image_key(stack[0].rgb, stack) for stack in stacks]
    assert keys[0] != keys[1]


# --- in the kernel --------------------------------------------------------------------------------


def test_newest_record_of_another_widget_is_found():
    store, mine = SessionStore(), record(9, 30.0)
    for one in (record(1, 10.0), record(3, 20.0), record(0, 25.0), mine):
        store.add(KEY, one)
    store.add(OTHER, record(7, 40.0))
    found = store.newest(KEY, but=mine)
    assert (found.count, found.seconds, found.path) == (3, 20.0, None)
    assert store.newest("2" * 32, but=mine) is None


def test_oldest_records_of_an_image_are_removed():
    store, mine = SessionStore(), Record()
    records = [record(n + 1, 10.0 + n) for n in range(kernel.MAX_OF_IMAGE + 3)]
    for one in records:
        store.add(KEY, one)
    assert store.newest(KEY, but=records[-1]).count == len(records) - 1
    kept = [one for one in records if any(one is each for _, each in store._all())]
    assert kept == records[-kernel.MAX_OF_IMAGE :]
    assert store.newest(KEY, but=mine).count == len(records)


def test_total_size_of_records_is_limited(monkeypatch):
    monkeypatch.setattr(kernel, "MAX_BYTES", 100_000)
    store = SessionStore()
    large = MaskPrompt.from_mask(RNG.random((300, 200)) > 0.5)
    for n in range(6):
        one = Record()
        one.put(0, lambda: Prompts((ObjectPrompts((large,)),)), 10.0 + n)
        assert 50_000 < one.nbytes() < 100_000
        store.add(str(n) * 32, one)
    left = [n for n in range(6) if store.newest(str(n) * 32, but=Record())]
    assert left == [5]


def test_newest_record_is_kept_even_above_the_limit(monkeypatch):
    monkeypatch.setattr(kernel, "MAX_BYTES", 10)
    store = SessionStore()
    store.add(KEY, record(3, 10.0))
    assert store.newest(KEY, but=Record()).count == 3


# --- on disk --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return SaveFolder(tmp_path / "new" / "autosave")


def write(folder, count, owner, key=KEY, seconds=None):
    path = folder.file_of(key, owner, "Foto 1.jpg")
    folder.write(path, planes(count))
    if seconds is not None:
        os.utime(path, (seconds, seconds))
    return path


def test_saved_file_can_be_loaded_as_prompts(folder):
    path = write(folder, 3, "0000000a")
    assert path.name == f"Foto_1-{KEY}-0000000a.prompts.json"
    assert Prompts.load(path) == prompts(3)
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_stack_is_saved_as_one_file(folder):
    path = folder.file_of(KEY, "0000000a", "")
    both = StackPrompts({1: prompts(2), 4: prompts(1)}, "Z")
    folder.write(path, both)
    assert path.name == f"{KEY}-0000000a.prompts.json"
    assert StackPrompts.load(path) == both
    assert folder.newest(KEY, but=None).prompts == both


def test_newest_file_of_an_image_is_found(folder):
    write(folder, 1, "0000000a", seconds=100)
    second = write(folder, 2, "0000000b", seconds=200)
    mine = write(folder, 4, "0000000c", seconds=300)
    write(folder, 0, "0000000d", seconds=400)
    write(folder, 7, "0000000e", key=OTHER, seconds=500)
    found = folder.newest(KEY, but=mine)
    assert (found.count, found.seconds, found.path) == (2, 200.0, second)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b'{"format":"sam2-widget-prompts","version":99}', b"[" * 9999]
)
def test_damaged_file_is_skipped(folder, text):
    write(folder, 1, "0000000a", seconds=100)
    broken = write(folder, 2, "0000000b")
    broken.write_bytes(text)
    assert folder.newest(KEY, but=None).count == 1


def test_missing_folder_has_no_files_and_is_not_created(folder):
    assert folder.newest(KEY, but=None) is None
    assert not folder.path.exists()


def test_full_disk_leaves_the_previous_file(folder, monkeypatch):
    path = write(folder, 3, "0000000a")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="No space left"):
        folder.write(path, planes(5))
    assert Prompts.load(path) == prompts(3)
    assert [each.name for each in folder.path.iterdir()] == [path.name]


def test_files_of_other_owners_are_never_replaced(folder, tmp_path):
    path = folder.file_of(KEY, "0000000a", "")
    folder.path.mkdir(parents=True)
    path.write_text("a poem")
    with pytest.raises(ExistsError):
        folder.write(path, planes(1))
    assert path.read_text() == "a poem"
    path.unlink()
    precious = tmp_path / "precious.json"
    precious.write_text(prompts(2).to_json())
    path.symlink_to(precious)
    with pytest.raises(ExistsError):
        folder.write(path, planes(1))
    assert Prompts.load(precious) == prompts(2)


def test_only_own_old_files_are_removed(folder, monkeypatch):
    monkeypatch.setattr(folders, "MAX_FILES", 4)
    ours = [write(folder, 1, f"0000000{n}", key=str(n) * 32, seconds=100 + n) for n in range(6)]
    poem = folder.path / f"poem-{'a' * 32}-00000000.prompts.json"
    poem.write_text("a poem")
    notes = folder.path / "notes.json"
    notes.write_text(prompts(1).to_json())
    for other in (poem, notes):
        os.utime(other, (1, 1))
    folder.trim(ours[0])
    left = {path.name for path in folder.path.iterdir()}
    assert left == {path.name for path in (ours[0], *ours[2:], poem, notes)}


def test_only_the_newest_files_of_an_image_are_kept(folder):
    ours = [write(folder, 1, f"0000000{n}", seconds=100 + n) for n in range(8)]
    write(folder, 1, "00000000", key=OTHER, seconds=1)
    folder.trim(ours[-1])
    left = sorted(path for path in folder.path.iterdir() if KEY in path.name)
    assert left == ours[-folders.MAX_OF_IMAGE :]
    assert folder.newest(OTHER, but=None).count == 1


def test_prompts_that_are_too_large_are_refused(folder, monkeypatch):
    monkeypatch.setattr(folders, "MAX_FILE", 200)
    with pytest.raises(ExportError, match=r"w\.prompts\.save"):
        folder.write(folder.file_of(KEY, "0000000a", ""), planes(50))
    assert not folder.path.exists()
