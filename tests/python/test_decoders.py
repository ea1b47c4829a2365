"""Files that make a decoder allocate, wait, start programs or open other files."""

import builtins
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import cv2
import numpy as np
import pytest
import tifffile
from PIL import EpsImagePlugin, Image

from sam2_widget import ImageError, load_image
from sam2_widget._utils.regular_files import open_regular, read_regular
from sam2_widget.errors import AnnotationError
from sam2_widget.export.cutout import read_cutout
from sam2_widget.export.read import read_masks
from sam2_widget.images import arrays
from sam2_widget.images.deep import decode

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n"
    b"%%EndProlog\nshowpage\n%%EOF\n"
)
PLAYLISTS = {
    "a.m3u8": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "a.txt": b"ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.png'\n",
    "a.mpd": b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>',
    "a.sdp": b"v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
}


def empty_tiff(width, height, bits, sample_format):
    """One page whose only strip is not in the file, so that a decoder fills it with zeros."""
    tags = [(256, width), (257, height), (258, bits), (259, 8), (262, 1), (273, 0), (277, 1)]
    tags += [(278, height), (279, 0), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


@pytest.fixture
def no_programs(monkeypatch):
    """Any program, and any decoding of PostScript, is a failure."""

    def started(*_args, **_kwargs):
        pytest.fail("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(os, "system", started)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)


@pytest.mark.parametrize("with_tifffile", [True, False])
def test_small_tiff_with_huge_decoded_size_is_refused(with_tifffile, monkeypatch):
    data = empty_tiff(12200, 12200, bits=64, sample_format=3)
    assert len(data) < 200
    monkeypatch.setattr("sam2_widget.images.sources.has_tifffile", lambda: with_tifffile)
    with pytest.raises(ImageError, match=r"takes 1136 MiB as float64, the limit is 1024 MiB"):
        load_image(data)


def test_limit_counts_bytes_as_well_as_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_PLANE_BYTES", 20 * 30 * 4)
    monkeypatch.setattr("sam2_widget.images.sources.MAX_PLANE_BYTES", 20 * 30 * 4)
    for dtype in (np.float32, np.float64):
        pixels = np.ones((20, 30), dtype)
        tifffile.imwrite(tmp_path / "a.tif", pixels)
        np.save(tmp_path / "a.npy", pixels)
        for name in ("a.tif", "a.npy"):
            if dtype == np.float32:
                assert load_image(tmp_path / name).values.dtype == np.float32
                continue
            with pytest.raises(ImageError, match="as float64, the limit is"):
                load_image(tmp_path / name)


@pytest.mark.parametrize("name", ["photo.jpg", "a.eps", "a.png"])
def test_postscript_image_starts_no_program(name, tmp_path, no_programs):
    (tmp_path / name).write_bytes(EPS)
    for source in (tmp_path / name, EPS):
        with pytest.raises(ImageError, match="it is PostScript"):
            load_image(source)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.bmp"])
def test_postscript_as_masks_starts_no_program(name, tmp_path, no_programs):
    (tmp_path / name).write_bytes(EPS)
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / name).write_bytes(EPS)
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.writestr(name, EPS)
    for source in (tmp_path / name, folder, tmp_path / "masks.zip"):
        with pytest.raises(AnnotationError, match=r"cannot be read|there are no images in"):
            read_masks(source)
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_cutout(tmp_path / name)


@pytest.mark.parametrize("name", PLAYLISTS)
def test_imageio_plugins_are_limited_to_the_allowed_list(name, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(
        "imageio.v3.imread", lambda source, plugin: used.append((type(source), plugin)) or 1 / 0
    )
    (tmp_path / name).write_bytes(PLAYLISTS[name])
    with pytest.raises(ImageError, match="not an image that Pillow can read"):
        load_image(tmp_path / name)
    assert used == [(bytes, "tifffile")]


def test_an_spe_file_is_read_by_its_plugin(tmp_path):
    pixels = np.arange(30, dtype=np.uint16).reshape(1, 5, 6)
    header = bytearray(4100)
    for at, kind, value in ((42, "H", 6), (108, "h", 3), (656, "H", 5), (1446, "i", 1)):
        struct.pack_into(f"<{kind}", header, at, value)
    struct.pack_into("<f", header, 1992, 2.5)
    (tmp_path / "a.spe").write_bytes(bytes(header) + pixels.tobytes())
    np.testing.assert_array_equal(
        load_image(tmp_path / "a.spe", axes="TYX", plane=0).values, pixels[0]
    )


def test_playlist_file_opens_no_connection(tmp_path):
    path = tmp_path / "a.m3u8"
    path.write_bytes(PLAYLISTS["a.m3u8"])
    code = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event))\n"
        "from sam2_widget import ImageError, load_image\n"
        "try:\n    load_image(sys.argv[1])\nexcept ImageError:\n    pass\n"
        "assert 'socket.connect' not in seen and 'subprocess.Popen' not in seen\n"
        "assert 'av' not in sys.modules and 'imageio.plugins.pyav' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)


def ome_tiff(other):
    """An OME-TIFF of two planes, whose description places the second in another file."""
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:1"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint8" SizeX="6" SizeY="5" SizeZ="2" SizeC="1" SizeT="1">'
        '<TiffData IFD="0" FirstZ="0"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        f'<TiffData IFD="0" FirstZ="1"><UUID FileName="{other}">urn:uuid:2</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    file = io.BytesIO()
    page = np.full((5, 6), 7, np.uint8)
    tifffile.imwrite(file, page, description=xml, metadata=None, photometric="minisblack")
    return file.getvalue()


def test_an_ome_tiff_opens_no_other_file(tmp_path, monkeypatch):
    secret = tmp_path / "secret.tif"
    tifffile.imwrite(secret, np.full((5, 6), 200, np.uint8))
    path = tmp_path / "a.ome.tif"
    path.write_bytes(ome_tiff(secret))
    seen, real = [], builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda name, *a, **k: seen.append(name) or real(name, *a, **k)
    )
    loaded = load_image(path)
    np.testing.assert_array_equal(loaded.values, np.full((5, 6), 7, np.uint8))
    assert str(secret) not in map(str, seen)
    with pytest.raises(AnnotationError, match=r"is for an image of|cannot be read"):
        read_masks(path, size=(50, 60))
    assert str(secret) not in map(str, seen)


def bounded(code, *arguments):
    """Run what could wait for ever in a process of its own; what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    ).stdout


def test_pipes_and_devices_are_never_read(tmp_path):
    """In a process of its own, with a time-out: reading a pipe would wait for its writer."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("a.tif", "a.png", "a.npy", "a.npz", "a.json", "masks/1.png"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    code = (
        "import sys\nfrom sam2_widget import Prompts, load_image\n"
        "from sam2_widget.errors import AnnotationError, ImageError, PromptError\n"
        "from sam2_widget.export.read import read_masks\n"
        "for call in (load_image, read_masks, Prompts.load):\n"
        "    for path in sys.argv[1:]:\n"
        "        try:\n            call(path)\n"
        "        except (AnnotationError, ImageError, PromptError) as error:\n"
        "            assert 'regular' in str(error) or 'folder' in str(error), error\n"
        "            print(call.__name__)\n"
    )
    names = ("a.tif", "a.png", "a.npy", "a.npz", "a.json", "masks", "zero.png", "zero.npy")
    printed = bounded(code, *(tmp_path / name for name in names))
    assert printed.split() == [n for n in ("load_image", "read_masks", "load") for _ in names]


def test_store_entry_must_be_a_regular_file_of_limited_size(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from sam2_widget.models.embeddings.store import EmbeddingStore, MAX_FILE\n"
        "store = EmbeddingStore(Path(sys.argv[1]), 2**30)\n"
        "path = store._path('model', 'image')\n"
        "def read():\n"
        "    print(store.read('model', 'image'))\n"
        "    path.unlink()\n"
        "path.symlink_to('/dev/zero'); read()\n"
        "os.mkfifo(path); read()\n"
        "path.touch(); os.truncate(path, MAX_FILE + 1); read()\n"
        "os.mkfifo(path); store.clear(); print(path.exists())\n"
    )
    assert bounded(code, tmp_path).split() == ["None", "None", "None", "True"]


def test_only_regular_files_are_opened(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"12345"
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(path, 4)
    for other in ("/dev/null", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(other)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_opencv_decodes_only_allowed_formats(monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, "BMP")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert decode(file.getvalue()) is None


@pytest.mark.parametrize("limit", [5, 2**40])
def test_reading_allocates_no_more_than_the_file_size(tmp_path, limit):
    (tmp_path / "a").write_bytes(b"12345")
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "a", limit) == b"12345"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
