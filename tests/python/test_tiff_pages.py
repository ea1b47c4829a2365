"""Pages of TIFF files that refer to each other."""

import io
import struct

import pytest
from PIL import Image

from sam2_widget import ImageError
from sam2_widget.images.tiff_tags import all_tags


def two_pages():
    file = io.BytesIO()
    page = Image.new("L", (4, 3))
    page.save(file, "TIFF", save_all=True, append_images=[page])
    return file


def pages_of(data):
    """Where the pages are, and where each has the address of the next."""
    (offset,) = struct.unpack_from("<I", data, 4)
    found = []
    while offset:
        (count,) = struct.unpack_from("<H", data, offset)
        after = offset + 2 + 12 * count
        found.append((offset, after))
        (offset,) = struct.unpack_from("<I", data, after)
    return found


def test_pages_are_read_in_order():
    assert [(tags.width, tags.height) for tags in all_tags(two_pages())] == [(4, 3), (4, 3)]


@pytest.mark.parametrize("page", [0, 1])
def test_circular_chain_of_pages_is_refused(page):
    data = bytearray(two_pages().getvalue())
    pages = pages_of(data)
    struct.pack_into("<I", data, pages[-1][1], pages[page][0])
    with pytest.raises(ImageError, match="follow each other in a circle"):
        all_tags(io.BytesIO(data))
