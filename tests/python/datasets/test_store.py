import getpass
import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.datasets.annotations import StoredObject
from sam2_widget.datasets.classes import (
    SetClass,
    as_attributes,
    new_names,
)
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.errors import ExportError, LockedError, SettingError
from sam2_widget.prompts.collections import ObjectPrompts, Point

HOLD = """
import sys
from pathlib import Path
from sam2_widget.datasets.store import AnnotationStore
store = AnnotationStore(Path(sys.argv[1]), ["1.jpg"], take_over=len(sys.argv) > 2)
store.change("1.jpg", note="theirs")
store.flush()
print("open", flush=True)
sys.stdin.read()
store.close()
"""


def object_(number, label="cat"):
    return StoredObject(number, ObjectPrompts((Point(number, 2),), label))


def other_process(folder, *more):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "open\n"
    return process


def test_a_second_process_learns_who_works_there(tmp_path):
    process = other_process(tmp_path)
    with pytest.raises(LockedError) as raised:
        AnnotationStore(tmp_path, ["1.jpg"])
    message = str(raised.value)
    assert f"{getpass.getuser()} on {socket.gethostname()} (process {process.pid})" in message
    assert "less than a minute ago" in message
    assert "take_over=True" in message
    process.communicate("")


def test_a_lock_is_taken_over_and_the_other_writes_no_more(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    store.change("1.jpg", note="mine")
    store.flush()
    process = other_process(tmp_path, "take over")
    store.change("1.jpg", note="too late")
    with pytest.raises(ExportError, match=r"has taken over the annotations"):
        store.flush()
    store.close()
    process.communicate("")
    lines = (tmp_path / "images" / "1.jpg.jsonl").read_text().splitlines()
    assert [json.loads(line)["record"].get("note") for line in lines[1:]] == ["mine", "theirs"]


def test_nothing_is_written_after_a_lock_was_taken_over_and_released(tmp_path):
    store = AnnotationStore(tmp_path, ["1.jpg"])
    store.change("1.jpg", note="mine")
    store.flush()
    other_process(tmp_path, "take over").communicate("")
    store.change("1.jpg", note="too late")
    with pytest.raises(ExportError, match=r"has taken over the annotations"):
        store.flush()
    store.close()
    again = AnnotationStore(tmp_path, ["1.jpg"])
    assert again["1.jpg"].note == "theirs"
    assert again.taken_from is None
    again.close()
    assert not (tmp_path / "lock.json").exists()


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path):
    process = other_process(tmp_path)
    process.kill()
    process.communicate()
    store = AnnotationStore(tmp_path, ["1.jpg"])
    assert store["1.jpg"].note == "theirs"
    assert store.taken_from.process == process.pid
    store.close()
    assert not (tmp_path / "lock.json").exists()


def test_a_lock_of_another_host_is_respected(tmp_path):
    lock = {"user": "ada", "host": "elsewhere", "process": 1, "token": "x", "since": 0.0}
    (tmp_path / "lock.json").write_text(json.dumps(lock))
    os.utime(tmp_path / "lock.json", (0, 0))
    with pytest.raises(LockedError, match=r"ada on elsewhere .process 1.*last written \d+ h ago"):
        AnnotationStore(tmp_path, ["1.jpg"])
    store = AnnotationStore(tmp_path, ["1.jpg"], take_over=True)
    assert store.taken_from.user == "ada"
    store.close()


def test_a_cell_that_runs_again_opens_the_same_folder(tmp_path):
    first = AnnotationStore(tmp_path, ["1.jpg"])
    first.change("1.jpg", note="from the first run")
    second = AnnotationStore(tmp_path, ["1.jpg"])
    assert second["1.jpg"].note == "from the first run"
    assert "opened again" in first.error
    second.change("1.jpg", note="from the second run")
    second.close()
    assert second.error == ""


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"cannot be kept in .*annotations='"):
        AnnotationStore(tmp_path / "file" / "annotations", ["1.jpg"])


def test_without_a_folder_nothing_is_written(tmp_path):
    store = AnnotationStore(None, ["1.jpg"])
    store.change("1.jpg", note="kept")
    store.flush()
    assert store["1.jpg"].note == "kept"
    assert list(tmp_path.iterdir()) == []


def test_a_class_is_renamed_in_all_images_at_once(tmp_path):
    names = [f"{n}.jpg" for n in range(3)]
    store = AnnotationStore(tmp_path, names)
    for name in names:
        store.change(name, objects=(object_(1, "cat"), object_(2, "dog"), object_(3, None)))
    store.flush()
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("images/*"))]
    store.change_set(classes=(SetClass("lynx", "#ff0000"),), renames=(("cat", "lynx"),))
    assert [one.object.label for one in store["2.jpg"].objects] == ["lynx", "dog", None]
    store.flush()
    assert [path.stat().st_size for path in sorted(tmp_path.glob("images/*"))] == sizes
    # A class that is called "cat" again is another one.
    store.change("0.jpg", objects=(*store["0.jpg"].objects, object_(4, "cat")))
    store.close()
    again = AnnotationStore(tmp_path, names)
    assert [one.object.label for one in again["1.jpg"].objects] == ["lynx", "dog", None]
    assert [one.object.label for one in again["0.jpg"].objects] == ["lynx", "dog", None, "cat"]
    assert again.set.classes == (SetClass("lynx", "#ff0000"),)
    again.close()


labels = st.sampled_from("abcd")


@given(st.lists(st.tuples(labels, labels)), labels, st.integers(0, 5))
def test_names_follow_all_renames_in_their_order(renames, label, since):
    expected = label
    for old, new in renames[since:]:
        expected = new if expected == old else expected
    assert new_names(renames, since).get(label, label) == expected


def test_a_deferred_change_is_carried_out_once_when_the_image_is_read_or_written(tmp_path):
    names = ["1.jpg", "2.jpg", "3.jpg"]
    store = AnnotationStore(tmp_path, names)
    for name in names:
        store.change(name, note="a")
    store.flush()
    done = []

    def add(letter):
        def change(name, known):
            done.append(name + letter)
            return {"note": known.note + letter}

        return change

    store._write_soon = lambda: None
    store.update_later(names, add("b"))
    assert done == []
    assert store.by_old_names("1.jpg").note == store["1.jpg"].note == "ab"
    assert done == ["1.jpgb"]
    store.update_later(["2.jpg", "1.jpg"], add("c"))
    assert store.change("2.jpg", state="done").note == "abc"
    assert done == ["1.jpgb", "2.jpgb", "2.jpgc"]
    store.flush()
    assert done == ["1.jpgb", "2.jpgb", "2.jpgc", "1.jpgc", "3.jpgb"]
    store.close()
    again = AnnotationStore(tmp_path, names)
    assert [again[name].note for name in names] == ["abc", "abc", "ab"]
    again.close()


def test_attributes_are_checked():
    declared = as_attributes({"blur": bool, "count": int, "view": ["top", "side"], "site": str})
    assert declared["view"].checked("view", "top") == "top"
    assert declared["count"].checked("count", 3) == 3
    assert declared["site"].checked("site", None) is None
    for name, value, message in [
        ("blur", 1, "True or False"),
        ("count", float("nan"), "finite number"),
        ("count", True, "finite number"),
        ("view", "front", r"one of \['top', 'side'\]"),
        ("site", 3, "must be text"),
        ("site", "\ud800", "must be text"),
    ]:
        with pytest.raises(SettingError, match=message):
            declared[name].checked(name, value)
    with pytest.raises(SettingError, match="to choose from, got"):
        as_attributes({"x": dict})


def test_a_program_that_ends_has_written_everything(tmp_path):
    program = HOLD.replace("store.flush()\n", "").replace("sys.stdin.read()", "")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    store = AnnotationStore(tmp_path, ["1.jpg"])
    assert store["1.jpg"].note == "theirs"
    store.close()
