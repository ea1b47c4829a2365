import errno
import json
import os
import signal
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.datasets import journal as journal_module
from sam2_widget.datasets.annotations import (
    NOTHING,
    Change,
    ImageAnnotations,
    StoredObject,
    difference,
    is_nothing,
    with_change,
)
from sam2_widget.datasets.journal import Journal, encode, parse
from sam2_widget.datasets.store import AnnotationStore, journal_path
from sam2_widget.errors import AnnotationError, ExportError, RepairWarning
from sam2_widget.masks.settings import Settings
from sam2_widget.prompts.collections import Box, ObjectPrompts, Point

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(
    st.none(),
    texts,
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
)
points = st.builds(
    Point, st.floats(0, 1000, width=32), st.floats(0, 1000, width=32), st.sampled_from([0, 1])
)
stored = st.builds(
    lambda prompts, label, note, attributes: StoredObject(
        0, ObjectPrompts(tuple(prompts), label), note, attributes
    ),
    st.lists(points, min_size=1, max_size=3),
    st.none() | texts,
    texts,
    st.dictionaries(texts, values, max_size=2),
)


@st.composite
def annotations(draw):
    ids = draw(st.lists(st.integers(1, 8), unique=True, max_size=5))
    objects = tuple(msgspec.structs.replace(draw(stored), id=key) for key in ids)
    return ImageAnnotations(
        objects,
        Settings(fill_holes=draw(st.integers(0, 3))),
        draw(st.sampled_from(["untouched", "in progress", "done", "empty", "review", "skipped"])),
        draw(texts),
        draw(st.dictionaries(texts, values, max_size=2)),
        draw(st.floats(0, 1e6)),
        draw(texts),
        draw(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9))),
        draw(st.integers(0, 3)),
    )


@given(annotations(), annotations())
def test_a_difference_leads_from_the_old_to_the_new(old, new):
    assert with_change(old, difference(old, new)) == new
    assert is_nothing(difference(new, new, time=5.0))


@given(st.lists(annotations(), max_size=5))
def test_a_journal_gives_back_what_was_written(versions):
    changes, before = [], NOTHING
    for one in versions:
        changes.append(difference(before, one, time=1.5))
        before = one
    header = encode(journal_module.Header(journal_module.FORMAT, 1, "a.jpg"))
    data = header + b"".join(map(encode, changes))
    parsed = parse(data, Change, "a")
    assert (parsed.records, parsed.size, parsed.damage) == (changes, len(data), "")
    assert parsed.header.image == "a.jpg"
    found = NOTHING
    for change in parsed.records:
        found = with_change(found, change)
    assert found == (versions[-1] if versions else NOTHING)


@given(st.lists(annotations(), min_size=1, max_size=4), st.data())
def test_a_damaged_journal_is_read_up_to_its_last_good_record(versions, data):
    changes = [difference(NOTHING, one, time=2.0) for one in versions]
    lines = [encode(journal_module.Header(journal_module.FORMAT, 1)), *map(encode, changes)]
    whole = b"".join(lines)
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = parse(whole[:at], Change, "a")
    complete = whole[:at].count(b"\n")
    assert cut.records == changes[: max(complete - 1, 0)]
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    damaged = parse(bytes(flipped), Change, "a")
    line = whole[:at].count(b"\n")
    if whole[at : at + 1] != b"\n":
        # A byte of this line has changed: what is before it is good. Bytes of its envelope, such as
        # a blank for another blank, may leave it as good as it was.
        good = changes[: max(line - 1, 0)]
        assert damaged.records[: len(good)] == good
        assert damaged.records == changes[: len(damaged.records)]


def test_a_line_can_be_checked_by_other_programs():
    line = encode(Change(objects=(StoredObject(1, ObjectPrompts((Point(3, 4),), "Katze ü")),)))
    raw = line.decode().split('"record":', 1)[1].rstrip()[:-1]
    assert json.loads(line)["check"] == f"{zlib.crc32(raw.encode()):08x}"
    assert json.loads(raw)["objects"][0]["object"]["label"] == "Katze ü"


def object_(number, label="cat"):
    return StoredObject(number, ObjectPrompts((Point(number, 2),), label))


def test_changes_are_read_again(tmp_path):
    store = AnnotationStore(tmp_path, ["ü b/1.jpg"])
    store.change("ü b/1.jpg", objects=(object_(1),), state="in progress")
    store.change("ü b/1.jpg", objects=(object_(1), object_(2)), note="look")
    store.close()
    assert (tmp_path / "images" / "ü b" / "1.jpg.jsonl").is_file()
    again = AnnotationStore(tmp_path, ["ü b/1.jpg", "2.jpg"])
    assert again["ü b/1.jpg"].objects == (object_(1), object_(2))
    assert (again["ü b/1.jpg"].state, again["ü b/1.jpg"].note) == ("in progress", "look")
    assert again["2.jpg"] == NOTHING
    again.close()


def test_only_what_has_changed_is_appended(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    store.change("1.jpg", objects=tuple(map(object_, range(1, 101))))
    store.flush()
    before = journal_path(tmp_path, "1.jpg").stat().st_size
    store.change("1.jpg", objects=tuple(map(object_, range(1, 102))))
    store.flush()
    assert journal_path(tmp_path, "1.jpg").stat().st_size - before < 300
    store.close()


def test_a_long_journal_is_written_anew(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    for number in range(200):
        store.change("1.jpg", objects=(object_(1),), note=f"note {number}")
        store.flush()
    store.close()
    path = journal_path(tmp_path, "1.jpg")
    assert len(path.read_bytes().splitlines()) < 100
    again = AnnotationStore(tmp_path, ["1.jpg"])
    assert (again["1.jpg"].note, again["1.jpg"].objects) == ("note 199", (object_(1),))
    again.close()


def test_damage_is_repaired_and_reported_and_a_copy_is_kept(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    for number in range(3):
        store.change("1.jpg", objects=tuple(map(object_, range(1, number + 2))))
        store.flush()
    store.close()
    path = journal_path(tmp_path, "1.jpg")
    damaged = path.read_bytes().replace(b'"id":3', b'"id":4')
    path.write_bytes(damaged)
    with pytest.warns(RepairWarning, match=r"line 4: its checksum.*the 2 records before it"):
        again = AnnotationStore(tmp_path, ["1.jpg"])
    assert again["1.jpg"].objects == (object_(1), object_(2))
    again.change("1.jpg", note="goes on")
    again.close()
    assert path.with_name("1.jpg.jsonl.damaged-1").read_bytes() == damaged
    last = AnnotationStore(tmp_path, ["1.jpg"])
    assert (last["1.jpg"].note, len(last["1.jpg"].objects)) == ("goes on", 2)
    last.close()


def test_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    path = journal_path(tmp_path, "1.jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(journal_module.Header(journal_module.FORMAT, 2)))
    before = path.read_bytes()
    with pytest.raises(AnnotationError, match=r"newer sam2-widget.*version 2.*pip install -U"):
        AnnotationStore(tmp_path, ["1.jpg"])
    assert path.read_bytes() == before
    assert not (tmp_path / "lock.json").exists()


def test_a_full_disk_keeps_the_work_in_memory_and_writes_it_when_there_is_room(
    tmp_path, monkeypatch
):
    reports = []
    store = AnnotationStore(
        tmp_path, ["1.jpg", "2.jpg"], changed=lambda: reports.append(store.error)
    )
    store.change("1.jpg", objects=(object_(1),))
    store.flush()
    size = journal_path(tmp_path, "1.jpg").stat().st_size
    write = journal_module._write_all

    def full(file, data):
        file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal_module, "_write_all", full)
    store.change("1.jpg", objects=(object_(1), object_(2)))
    store.change("2.jpg", state="empty")
    with pytest.raises(ExportError, match=r"No space left.*kept in memory"):
        store.flush()
    assert reports[-1] == store.error
    assert journal_path(tmp_path, "1.jpg").stat().st_size == size
    monkeypatch.setattr(journal_module, "_write_all", write)
    store.change("1.jpg", note="room again")
    store.flush()
    assert reports[-1] == store.error == ""
    store.close()
    again = AnnotationStore(tmp_path, ["1.jpg", "2.jpg"])
    assert again["1.jpg"].objects == (object_(1), object_(2))
    assert (again["1.jpg"].note, again["2.jpg"].state) == ("room again", "empty")
    again.close()


def test_a_journal_that_somebody_else_has_written_to_is_not_overwritten(tmp_path):
    journal = Journal(tmp_path / "a.jsonl", Change)
    journal.append([Change(note="mine")])
    with journal.path.open("ab") as file:
        file.write(encode(Change(note="theirs")))
    with pytest.raises(ExportError, match="changed by another program"):
        journal.append([Change(note="mine, too")])
    assert [one.note for one in Journal(journal.path, Change).read().records] == ["mine", "theirs"]


def test_a_folder_that_was_deleted_is_written_anew(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    store.change("1.jpg", objects=(object_(1),))
    store.flush()
    path = journal_path(tmp_path, "1.jpg")
    path.unlink()
    path.parent.rmdir()
    store.change("1.jpg", note="more")
    store.close()
    again = AnnotationStore(tmp_path, ["1.jpg"])
    assert (again["1.jpg"].objects, again["1.jpg"].note) == ((object_(1),), "more")
    again.close()


@pytest.mark.parametrize(
    "name",
    ["a" * 300 + ".jpg", "a:b?.jpg", "con/..", "sp ", "half \ud800.jpg", "图片/一.png", "x\ny.png"],
)
def test_every_name_has_a_journal_of_its_own(tmp_path, name):
    store = AnnotationStore(tmp_path, [name, "other.jpg"])
    store.change(name, state="done")
    store.close()
    again = AnnotationStore(tmp_path, [name, "other.jpg"])
    assert (again[name].state, again["other.jpg"].state) == ("done", "untouched")
    again.close()
    assert journal_path(tmp_path, name).resolve().is_relative_to((tmp_path / "images").resolve())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_any_moment_loses_no_committed_record(tmp_path):
    """A hundred times a writer is killed; all that it has reported as written is there."""
    total = 0
    for run in range(100):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - killed
            os.close(reader)
            _write_until_killed(tmp_path, total, writer)
        os.close(writer)
        # What it does at the moment when it is killed is different each time.
        reported = _last_number(reader, wait_for=1 + run % 9)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with suppress(OSError):
            reported = max(reported, _rest(reader))
        os.close(reader)
        names = ["1.jpg", "2.jpg"]
        store = AnnotationStore(tmp_path, names)
        written = max(int(store[name].note or 0) for name in names)
        assert written >= reported
        for name in names:
            note = int(store[name].note or 0)
            assert [one.id for one in store[name].objects] == list(
                range(max(note - 4, 1), note + 1)
            )
        assert store.repairs == []
        store.close()
        total = written
    assert total >= 100


def _write_until_killed(folder: Path, start: int, pipe: int) -> None:
    try:
        store = AnnotationStore(folder, ["1.jpg", "2.jpg"])
        number = start
        while True:
            number += 1
            objects = tuple(map(object_, range(max(number - 4, 1), number + 1)))
            store.change(f"{1 + number % 2}.jpg", objects=objects, note=str(number))
            store.flush()
            os.write(pipe, f"{number}\n".encode())
    finally:
        os._exit(1)


def _last_number(pipe: int, *, wait_for: int) -> int:
    lines = b""
    while lines.count(b"\n") < wait_for and (data := os.read(pipe, 4096)):
        lines += data
    return int(lines.split()[-1])


def _rest(pipe: int) -> int:
    lines = b""
    while data := os.read(pipe, 4096):
        lines += data
    return int(lines.split()[-1]) if lines.split() else 0


def test_a_box_is_stored_as_it_is(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    one = StoredObject(7, ObjectPrompts((Box(1, 2, 3.5, 4),)), "note", {"blurred": True, "n": 2})
    store.change("1.jpg", objects=(one,), size=(40, 30), content="abc")
    store.close()
    again = AnnotationStore(tmp_path, ["1.jpg"])
    assert again["1.jpg"].objects == (one,)
    assert again["1.jpg"].size == (40, 30)
    again.close()
