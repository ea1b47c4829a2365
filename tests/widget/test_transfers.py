"""Files to and from the user's own computer, over the comm."""

import io
import json
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sam2_widget import Prompts, SegmentWidget, read_masks
from sam2_widget.comm import transfers
from sam2_widget.comm.transfers import MAX_UPLOAD, PART
from sam2_widget.export.registry import DOWNLOADS, FORMATS
from sam2_widget.prompts.stacks import StackPrompts

from .conftest import Page, settle

PLAIN = [name for name in DOWNLOADS if FORMATS[name].scope == "image"]


def done():
    for thread in threading.enumerate():
        if thread.name == "sam2-widget-files":
            thread.join(20)
            assert not thread.is_alive()
    settle()


def answers(page, kind):
    return [
        (data["content"], buffers)
        for _, data, buffers in page.published
        if data.get("content", {}).get("type") == kind
    ]


def save(page, format_, n=1, **more):
    content = {"type": "save", "client": "page", "n": n, "epoch": page.state["epoch"]}
    page.send({**content, "format": format_, **more})
    done()
    return answers(page, "file")[-1][0]


def fetch(page, file, n=1):
    parts = []
    for part in range(file["parts"]):
        page.send({"type": "part", "client": "page", "n": n, "part": part})
        content, (data,) = answers(page, "part")[-1]
        assert content["part"] == part
        assert 0 < len(data) <= PART
        parts.append(data)
    return b"".join(parts)


def upload(page, name, data, n=9, **more):
    for at in range(0, len(data), PART):
        content = {"type": "upload", "client": "page", "n": n, "epoch": page.state["epoch"]}
        content |= {"name": name, "size": len(data), "at": at, **more}
        page.deliver({"method": "custom", "content": content}, [data[at : at + PART]])
    done()
    return answers(page, "uploaded")[-1][0]


@pytest.mark.parametrize("format_", PLAIN)
def test_every_format_can_be_saved_and_most_opened_again(page, widget, format_):
    widget.add_point(20, 20)
    widget.commit("cat")
    widget.add_box(40, 10, 70, 50)
    widget.commit("dog")
    expected = widget.masks
    file = save(page, format_)
    data = fetch(page, file)
    assert len(data) == file["size"] > 0
    assert "/" not in file["name"]
    assert not page.notice
    if format_ in ("csv", "cutout"):
        return
    widget.clear()
    assert upload(page, file["name"], data)["done"]
    assert "2 objects added" in page.notice
    np.testing.assert_array_equal(widget.masks, expected)
    widget.undo()
    assert len(widget.objects) == 0


def test_zips_hold_what_their_programs_expect(page, widget):
    widget.add_point(20, 20)
    names = {}
    for n, format_ in enumerate(["yolo", "voc"], start=1):
        data = fetch(page, save(page, format_, n), n)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names[format_] = sorted(archive.namelist())
    assert names["yolo"] == ["data.yaml", "labels/image.txt"]
    assert names["voc"] == [
        "Annotations/image.xml",
        "SegmentationClass/image.png",
        "SegmentationObject/image.png",
    ]


def test_a_large_file_comes_in_parts(page, widget, monkeypatch):
    widget.add_point(20, 20)
    monkeypatch.setattr(transfers, "PART", 100)
    file = save(page, "coco")
    assert file["parts"] == -(-file["size"] // 100) > 1
    data = fetch(page, file)
    assert json.loads(data)["annotations"]
    # It is forgotten when it has been fetched.
    page.send({"type": "part", "client": "page", "n": 1, "part": 0})
    assert answers(page, "part")[-1][1] == [b""]


def test_losses_and_failures_have_a_notice(page, widget, monkeypatch):
    widget.add_point(20, 20)
    widget.commit()
    widget.add_point(22, 20)
    save(page, "voc")
    assert "uppermost" in page.notice
    with monkeypatch.context() as patched:
        patched.setattr("sam2_widget.export.notes.import_module", missing)
        assert save(page, "csv", n=2)["parts"] == 0
    assert "pip install" in page.notice
    assert len(widget.objects) == 2


def missing(name):
    raise ImportError(name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b'{"annotations": 3}'),
        ("a.json", b"[" * 100_000),
        ("b.png", b"\x89PNG\r\n\x1a\nbroken"),
        ("c.npz", b"PK\x03\x04"),
        ("../../etc/passwd", b"x"),
        ("/tmp/\0.json", b"{}"),
        ("no suffix", b"x"),
        ("d.txt", b"not yolo"),
        ("e.json", b'{"format":"sam2-widget-prompts","version":99,"objects":[]}'),
        ("f.json", b'{"format":"sam2-widget-stack-prompts","version":1}'),
        ("g.json", b'{"format":"sam2-widget-prompts","version":1,"objects":[\xff]}'),
    ],
)
def test_unreadable_upload_has_a_notice_and_changes_nothing(page, widget, name, data):
    widget.add_point(20, 20)
    answer = upload(page, name, data)
    assert answer["done"]
    assert answer["at"] == 0
    assert page.notice
    assert len(widget.objects) == 1


def test_a_file_of_another_size_is_refused(page, widget):
    buffer = io.BytesIO()
    Image.fromarray(np.ones((7, 9), np.uint8)).save(buffer, "PNG")
    upload(page, "map.png", buffer.getvalue())
    assert "9" in page.notice
    assert len(widget.objects) == 0


def test_repairs_have_a_notice_and_no_warning(page, widget, recwarn):
    labelme = {
        "imageWidth": 80,
        "imageHeight": 60,
        "shapes": [
            {"shape_type": "polygon", "label": "a", "points": [[-5, 1], [20, 1], [20, 20]]},
            {"shape_type": "polygon", "label": "a", "points": [[30, 30], [50, 30]]},
        ],
    }
    upload(page, "a.json", json.dumps(labelme).encode())
    assert "repair" in page.notice
    assert len(recwarn) == 0


def test_uploads_are_capped_and_must_be_whole(page, widget):
    def send(data, n=1, **fields):
        content = {"type": "upload", "client": "page", "n": n, "epoch": 0, "name": "a.npz"}
        message = {"method": "custom", "content": {**content, **fields}}
        page.deliver(message, [data])
        return answers(page, "uploaded")[-1][0]

    assert send(b"x", size=MAX_UPLOAD + 1, at=0)["done"]
    assert "64" in page.notice
    assert send(b"x" * (PART + 1), size=2 * PART, at=0)["done"]
    assert not send(b"x" * 10, size=30, at=0)["done"]
    assert send(b"x" * 10, size=30, at=20)["done"]  # a part is missing
    assert send(b"x" * 10, size=30, at=10)["done"]  # it was given up
    assert not send(b"x" * 10, size=15, at=0)["done"]
    assert send(b"x" * 10, size=15, at=10)["done"]  # too long
    assert send(b"", size=15, at=0)["done"]
    page.send({"type": "upload", "client": "page", "n": 1, "epoch": 0, "name": "a", "size": 1})
    assert not widget._receiver._transfer.__self__._uploads
    assert len(widget.objects) == 0


def test_pages_cannot_request_a_path(page, widget, tmp_path):
    widget.add_point(20, 20)
    before = set(tmp_path.iterdir())
    for more in ({"format": "../x"}, {"format": "coco", "path": str(tmp_path / "x")}):
        content = {"type": "save", "client": "page", "n": 1, "epoch": 0, **more}
        page.send(content)
    done()
    assert set(tmp_path.iterdir()) == before


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["save", "part", "upload"]),
                "client": st.sampled_from(["page", "", 3]),
                "n": st.integers(-1, 3),
            },
            optional={
                "epoch": st.integers(-1, 2**40),
                "format": st.sampled_from([*DOWNLOADS, "exe"]),
                "part": st.integers(-1, 2**53),
                "name": st.text(max_size=300),
                "size": st.integers(-1, 2**53),
                "at": st.integers(-1, 50),
            },
        ),
        max_size=6,
    ),
    st.binary(max_size=40),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_no_message_about_files_breaks_the_widget(widget, page, messages, data):
    for content in messages:
        page.deliver({"method": "custom", "content": content}, [data])
    done()
    page.prompts({"type": "point", "x": 5, "y": 5, "label": 1})
    assert len(widget.objects) == 1
    widget.clear()


def test_planes_are_saved_alone_and_together(predictor):
    volume = np.random.default_rng(1).integers(0, 255, (3, 60, 80), np.uint8)
    widget = SegmentWidget(volume, axes="ZYX", model=predictor)
    page = Page(widget)
    widget.add_point(20, 20)
    saw = page.state["epoch"]
    widget.plane = 2
    widget.add_box(10, 10, 30, 30)
    settle()
    file = save(page, "png", n=1)
    assert file["name"] == "image-Z3.labels.png"
    image = np.asarray(Image.open(io.BytesIO(fetch(page, file, 1))))
    assert (image > 0).sum() == widget.masks.sum()
    # Requests of a page that still showed the first plane are about that plane.
    assert save(page, "coco", n=2, epoch=saw)["name"] == "image-Z1.coco.json"
    everything = fetch(page, save(page, "stack-prompts", n=3), 3)
    assert StackPrompts.from_json(everything.decode()) == widget.planes.prompts
    tiff = fetch(page, save(page, "stack-tiff", n=4), 4)
    for plane in range(3):
        read = read_masks(named("a.tif", tiff), plane=plane).label_map
        np.testing.assert_array_equal(read, widget.planes.label_map[plane])
    other = SegmentWidget(volume, axes="ZYX", model=predictor)
    upload(Page(other), "all.json", everything)
    np.testing.assert_array_equal(other.planes.label_map, widget.planes.label_map)
    one = fetch(page, save(page, "prompts", n=5), 5)
    assert Prompts.from_json(one.decode()) == widget.prompts
    for each in (widget, other):
        each.close()


def named(name, data):
    file = io.BytesIO(data)
    file.name = name
    return file


def send_part(page, client, data, *, size, at=0, n=1, name="a.npz"):
    content = {"type": "upload", "client": client, "n": n, "epoch": page.state["epoch"]}
    page.deliver(
        {"method": "custom", "content": {**content, "name": name, "size": size, "at": at}}, [data]
    )
    return next((content for content, _ in answers(page, "uploaded")[::-1]), None)


def file_thread(widget):
    """Keep the thread for files busy; returns what ends that."""
    started, go = threading.Event(), threading.Event()
    widget._receiver._transfer.__self__._thread.submit(lambda: [started.set(), go.wait(20)])
    assert started.wait(10)
    return go


def test_too_many_saves_and_uploads_are_rejected_with_a_notice(page, widget):
    widget.add_point(40, 30)
    go = file_thread(widget)
    content = {"type": "save", "epoch": page.state["epoch"], "format": "prompts"}
    for n in range(200):
        page.send({**content, "client": f"page {n % 7}", "n": n})
        send_part(page, "sender", b"{}", size=2, n=n)
    transfers_ = widget._receiver._transfer.__self__
    assert len(transfers_._jobs) == transfers.MAX_JOBS
    assert len(transfers_._thread._tasks) == transfers.MAX_JOBS
    assert "8 files are still being made or read" in Page(widget, "sender").notice
    refused = [content for content, _ in answers(page, "file")]
    assert {(one["name"], one["parts"]) for one in refused} == {("", 0)}
    go.set()
    done()
    assert transfers_._jobs == []
    assert save(page, "prompts", n=999)["name"] == "image.prompts.json"


def test_uploads_that_wait_have_a_budget_of_bytes(page, widget, monkeypatch):
    monkeypatch.setattr(transfers, "MAX_WAITING", 100)
    go = file_thread(widget)
    for client in ("one", "two"):
        send_part(page, client, b"x" * 45, size=45)
    assert send_part(page, "three", b"x" * 45, size=45)["done"]
    assert "2 files" in Page(widget, "three").notice
    go.set()
    done()


def test_one_upload_does_not_end_another(page, widget, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(transfers, "monotonic", lambda: now[0])
    for number in range(4):
        assert not send_part(page, f"page {number}", b"x" * 10, size=20)["done"]
    assert send_part(page, "page 4", b"x" * 10, size=20)["done"]
    assert "4 other pages are sending files" in Page(widget, "page 4").notice
    now[0] = transfers.ABANDONED - 1
    for number in range(1, 4):
        assert not send_part(page, f"page {number}", b"x" * 5, size=20, at=10)["done"]
    now[0] += 2
    # The first has been silent for too long by now.
    assert not send_part(page, "page 4", b"x" * 10, size=20)["done"]
    coming = widget._receiver._transfer.__self__._uploads
    assert {client: len(one.data) for client, one in coming.items()} == {
        **{f"page {number}": 15 for number in range(1, 4)},
        "page 4": 10,
    }


def test_a_file_that_cannot_be_read_does_not_end_the_next_upload_of_its_page(page, widget):
    go = file_thread(widget)
    send_part(page, "page", b"nonsense", size=8, n=1)
    assert not send_part(page, "page", b"x" * 10, size=20, n=2)["done"]
    go.set()
    done()
    assert "a.npz" in page.notice
    assert "page" in widget._receiver._transfer.__self__._uploads
    assert send_part(page, "page", b"x" * 5, size=20, at=10, n=2)["at"] == 15


def test_files_that_no_page_fetches_have_a_budget_of_bytes(page, widget, monkeypatch):
    widget.add_point(40, 30)
    size = save(page, "prompts")["size"]
    monkeypatch.setattr(transfers, "MAX_DOWNLOAD", 2 * size)
    for client in ("a", "b", "c"):
        save(page, "prompts", client=client)
    assert list(widget._receiver._transfer.__self__._made) == ["b", "c"]
