"""The site that `make docs` has built: complete, and without anything from other machines."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "docs"
PAGES = sorted(page for page in SITE.rglob("*.html") if "_static" not in page.parts)

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that fetch something when the page is opened."""


class Loads(HTMLParser):
    """Addresses that a page fetches."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get(LOADED.get(tag, ""))
        if address:
            self.addresses.append(address)


def loads(page):
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.addresses


@pytest.fixture(scope="module")
def names():
    with (SITE / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda _base, uri: uri)
    return {name for kind, items in found.items() if kind.startswith("py:") for name in items}


def public_names():
    tree = ast.parse((ROOT / "sam2_widget" / "__init__.pyi").read_text(encoding="utf-8"))
    (names,) = (n.value for n in tree.body if isinstance(n, ast.Assign))
    return ast.literal_eval(names)


def test_the_site_has_been_built():
    assert len(PAGES) > 40, "run `make docs` first"


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_is_in_the_reference(names, name):
    assert {f"sam2_widget.{name}", f"sam2_widget.predictor.{name}"} & names


@pytest.mark.parametrize("module", ["predictor", "testing", "ray", "server", "errors"])
def test_every_public_module_is_in_the_reference(names, module):
    assert f"sam2_widget.{module}" in names


def test_methods_are_those_of_this_package(names):
    own = {name.split(".")[-1] for name in names if name.startswith("sam2_widget.SegmentWidget.")}
    assert {"add_point", "to_coco", "masks", "restore", "screenshot"} <= own
    assert not {"send_state", "trait_names", "tooltip"} & own


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_a_page_fetches_nothing_from_other_machines(page):
    assert [one for one in loads(page) if re.match(r"(https?:)?//", one)] == []


def test_style_sheets_fetch_nothing_from_other_machines():
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", text) == [], sheet


def test_every_picture_is_there():
    for page in PAGES:
        for address in loads(page):
            file = address.split("?")[0].split("#")[0]
            if not re.match(r"data:|https?:", file):
                assert (page.parent / file).exists(), f"{address} of {page.name}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_is_in_the_gallery_with_its_pictures(path):
    gallery = (SITE / "gallery" / "index.html").read_text(encoding="utf-8")
    assert f'href="{path.stem}.html"' in gallery
    page = SITE / "gallery" / f"{path.stem}.html"
    pictures = [one for one in loads(page) if one.startswith("../_images/")]
    assert len(pictures) >= 2
    assert "widget-view" not in page.read_text(encoding="utf-8")


def test_the_page_of_keys_lists_what_the_help_of_the_widget_lists():
    (texts,) = (ROOT / "js" / "src" / "ui").glob("texts.*")
    source = texts.read_text(encoding="utf-8")
    start = source.index("export const help")
    help_rows = source[start : source.index("\n];", start)]
    meanings = re.findall(r'^\s+\[.+?, "(.+)"\],$', help_rows, re.MULTILINE)
    assert len(meanings) > 35
    page = (ROOT / "docs" / "keyboard.md").read_text(encoding="utf-8")
    assert [one for one in meanings if one != "this help" and f"| {one} |" not in page] == []


def test_diagrams_are_drawn():
    page = (SITE / "protocol.html").read_text(encoding="utf-8")
    assert page.count('<svg class="sequence"') == 5
    assert page.count('class="lost"') == 1
