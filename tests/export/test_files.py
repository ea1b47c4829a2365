import errno
import io
import os

import pytest

from sam2_widget import AnnotationError, ExistsError, ExportError
from sam2_widget._utils import files
from sam2_widget._utils.files import read_bytes, read_json, write_bytes, write_json, writing
from sam2_widget.export.coco import read_coco


def test_existing_file_is_replaced_only_with_overwrite(tmp_path):
    path = tmp_path / "mask ünïcode 名.json"
    write_bytes(path, b"old")
    with pytest.raises(ExistsError, match="overwrite=True"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    write_bytes(str(path), b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "masks.png"
    write_bytes(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="No space left"):
        write_bytes(path, b"new", overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "masks.png"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), writing(path, overwrite=True) as file:
        file.write(3)  # type: ignore[call-overload]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_created_during_writing_is_not_replaced(tmp_path):
    path = tmp_path / "masks.png"
    with pytest.raises(ExistsError), writing(path):
        path.write_bytes(b"somebody else's")
    assert path.read_bytes() == b"somebody else's"


def test_unwritable_targets_are_clear_errors(tmp_path):
    with pytest.raises(ExportError, match="No such file"):
        write_bytes(tmp_path / "none" / "x.json", b"")
    with pytest.raises(ExportError, match="it is a folder"):
        write_bytes(tmp_path, b"", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot write"):
        write_bytes(tmp_path / "file" / "x.json", b"")
    with pytest.raises(ExportError, match="cannot write"):
        write_bytes(tmp_path / ("x" * 300), b"")
    with pytest.raises(ExportError, match="cannot write to None"):
        write_bytes(None, b"")


def test_symlink_is_followed_and_file_mode_is_kept(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_bytes(link, b"new", overwrite=True)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_file_objects():
    binary, text = io.BytesIO(), io.StringIO()
    write_json(binary, {"a": "名"})
    write_json(text, {"a": "名"})
    assert binary.getvalue().decode() == text.getvalue()
    with pytest.raises(ExportError, match="mode 'wb'"):
        write_bytes(io.StringIO(), b"\xff\xd8")
    for file in (binary, text):
        file.seek(0)
        assert read_json(file, dict) == {"a": "名"}


def test_unreadable_sources_are_clear_errors(tmp_path, monkeypatch):
    with pytest.raises(AnnotationError, match="No such file"):
        read_bytes(tmp_path / "none.json")
    with pytest.raises(AnnotationError, match="cannot read"):
        read_bytes(tmp_path)
    with pytest.raises(AnnotationError, match="cannot read the file"):
        read_bytes(3)
    monkeypatch.setattr(files, "MAX_BYTES", 2**20)
    with pytest.raises(AnnotationError, match="larger than 1 MiB"):
        read_bytes(io.BytesIO(b" " * (2**20 + 1)))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"images": [', "[]", "null", '{"images": 3}', "\xff", '{"a": NaN}'],
)
def test_broken_json_is_a_clear_error(text):
    with pytest.raises(AnnotationError, match="the file"):
        read_coco(io.StringIO(text))


def test_byte_order_mark_is_accepted():
    assert read_json(io.BytesIO(b"\xef\xbb\xbf[1]"), list) == [1]
