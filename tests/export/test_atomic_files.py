"""Concurrent writers, killed writers, and targets that are not regular files."""

import os
import signal
import stat
import subprocess
import sys
import uuid

import pytest

from sam2_widget import ExistsError, ExportError
from sam2_widget._utils import atomic_files, files
from sam2_widget._utils.files import write_bytes, writing
from sam2_widget.models.embeddings.store import EmbeddingStore


def raise_permission_error(*args, **options):
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["nameless", "named", "without links"])
def kind(request, monkeypatch):
    """How unfinished files are stored: without a name, with one, or without hard links."""
    if request.param != "nameless":
        monkeypatch.setattr(atomic_files, "_may_be_nameless", lambda folder: False)
    if request.param == "without links":
        monkeypatch.setattr(os, "link", raise_permission_error)
    return request.param


def write_late(path, monkeypatch):
    """Write a file that another writer creates after the last check that it does not exist."""
    with writing(path) as second:
        second.write(b"second")
        write_bytes(path, b"first")
        monkeypatch.setattr(files, "check_free", lambda *_, **__: None)


@pytest.mark.usefixtures("kind")
def test_second_of_two_concurrent_writers_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "masks.json"
    with pytest.raises(ExistsError, match="overwrite=True"):
        write_late(path, monkeypatch)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


RACE = """
import sys, time
from sam2_widget import ExistsError
from sam2_widget._utils.files import write_bytes
print("ready", flush=True)
for line in sys.stdin:
    try:
        write_bytes(line.strip(), sys.argv[1].encode())
        print("written", flush=True)
    except ExistsError:
        print("exists", flush=True)
"""


def test_only_one_of_two_processes_writes(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        assert [one.stdout.readline() for one in started] == ["ready\n"] * 2
        for turn in range(100):
            path = tmp_path / str(turn)
            for one in started:
                one.stdin.write(f"{path}\n")
                one.stdin.flush()
            outputs = [one.stdout.readline() for one in started]
            assert sorted(outputs) == ["exists\n", "written\n"]
            assert path.read_text() == str(outputs.index("written\n"))
    finally:
        for one in started:
            one.communicate()


KILLED = """
import os, signal, sys
from sam2_widget._utils import atomic_files
from sam2_widget._utils.files import writing
if sys.argv[2] != "nameless":
    atomic_files._may_be_nameless = lambda folder: False
with writing(sys.argv[1], overwrite=True) as file:
    file.write(bytes(2**20))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_writer(path, kind):
    killed = subprocess.run([sys.executable, "-c", KILLED, path, kind], check=False)
    assert killed.returncode == -signal.SIGKILL


def test_killed_writer_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "masks.npz"
    write_bytes(path, b"old")
    kill_writer(path, "nameless")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_next_writer_removes_only_abandoned_temporary_files(tmp_path, monkeypatch):
    path = tmp_path / "masks.npz"
    kill_writer(path, "named")
    (left,) = tmp_path.iterdir()
    other = tmp_path / f".{uuid.uuid4().hex}.tmp"
    other.write_bytes(b"of another program")
    monkeypatch.setattr(atomic_files, "_may_be_nameless", lambda folder: False)
    with writing(tmp_path / "first") as unfinished:
        unfinished.write(b"first")
        assert not left.exists()
        # The next writer finds a temporary file that is still being written.
        atomic_files._searched.clear()
        write_bytes(tmp_path / "second", b"second")
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"first", "second", other.name}


def test_writer_retries_if_its_temporary_file_was_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_files, "_may_be_nameless", lambda folder: False)
    lock, taken = atomic_files._lock, []

    def lock_too_late(descriptor):
        if not taken:
            taken.extend(tmp_path.iterdir())
            atomic_files._remove_if_abandoned(taken[0])
        return lock(descriptor)

    monkeypatch.setattr(atomic_files, "_lock", lock_too_late)
    write_bytes(tmp_path / "masks.json", b"whole")
    assert len(taken) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["masks.json"]
    assert (tmp_path / "masks.json").read_bytes() == b"whole"


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_and_attributes_are_kept_and_never_wider_while_writing(tmp_path, mode):
    path = tmp_path / "masks.json"
    write_bytes(path, b"old")
    path.chmod(mode)
    try:
        os.setxattr(path, "user.origin", b"survey 7")
        attributes = {"user.origin": b"survey 7"}
    except OSError:  # a file system without them
        attributes = {}
    with writing(path, overwrite=True) as file:
        file.write(b"new")
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == attributes


def test_new_file_has_default_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "masks.json", b"new")
    assert (tmp_path / "masks.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def owners(path):
    return path.stat().st_uid, path.stat().st_gid


@pytest.mark.usefixtures("kind")
def test_owner_is_kept_if_chown_is_allowed(tmp_path, monkeypatch):
    path = tmp_path / "masks.json"
    write_bytes(path, b"old")
    given, chown = [], os.chown
    as_root = os.geteuid() == 0
    if as_root:
        chown(path, 4711, 4712)
    wanted = owners(path)
    monkeypatch.setattr(os, "chown", lambda *args: [given.append(args[1:]), chown(*args)])
    write_bytes(path, b"new", overwrite=True)
    assert given == [wanted]
    assert owners(path) == wanted


def test_group_permissions_are_removed_if_the_group_cannot_be_kept(tmp_path, monkeypatch):
    path = tmp_path / "masks.json"
    write_bytes(path, b"old")
    path.chmod(0o660)
    monkeypatch.setattr(os, "chown", raise_permission_error)
    write_bytes(path, b"new", overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_regular_files_are_replaced(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link.json"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(ExportError, match="device, pipe or socket"):
            write_bytes(path, b"new", overwrite=True)
        with pytest.raises(ExistsError):
            write_bytes(path, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()


def test_circular_symlinks_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ExportError, match="cannot write"):
        write_bytes(tmp_path / "a", b"", overwrite=True)


def test_embedding_store_removes_files_of_killed_writers(tmp_path):
    left = tmp_path / f".sam2-widget-{uuid.uuid4().hex}.tmp"
    left.write_bytes(bytes(100))
    EmbeddingStore(tmp_path, 2**20).write("model", "image", {})
    assert [one.suffix for one in tmp_path.iterdir()] == [".safetensors"]
