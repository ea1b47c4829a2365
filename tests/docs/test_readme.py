"""The README: short, and readable without the repository around it, as on a package index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPOSITORY = "https://github.com/sam2-widget/sam2-widget"
RAW = "https://raw.githubusercontent.com/sam2-widget/sam2-widget/main/"
MOST_WORDS = 900

LINKS = re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", README)
PICTURES = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", README)
OWN_LINKS = [one for one in LINKS if one.startswith(f"{REPOSITORY}/")]


def test_it_is_short():
    assert len(README.split()) <= MOST_WORDS


def test_its_picture_is_there_and_its_address_is_absolute():
    assert len(PICTURES) == 1
    assert all((ROOT / one.removeprefix(RAW)).is_file() for one in PICTURES)
    assert all(one.startswith(RAW) for one in PICTURES)


def test_all_links_are_absolute():
    assert [one for one in LINKS if not one.startswith("https://")] == []


@pytest.mark.parametrize("link", OWN_LINKS)
def test_a_link_into_the_repository_leads_to_a_file_and_its_heading(link):
    path, _, heading = link.partition("#")
    file = ROOT / re.sub(rf"^{REPOSITORY}/(?:blob|tree)/main/", "", path)
    assert file.exists()
    if heading:
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings}
