"""Files and folders that the documents for developers name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT, ROOT / "sam2_widget", ROOT / "js" / "src", ROOT / "deploy")
DOCUMENTS = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

PATH = re.compile(r"`([\w-]+(?:/[\w.-]+)+/?)`")
"""Words with slashes in code: paths, from one of these folders."""

KINDS = (".py", ".js", ".md", ".ts", ".yaml", ".json", "/")


def paths(document):
    found = PATH.findall(document.read_text(encoding="utf-8"))
    named = {one for one in found if one.endswith(KINDS)}
    # Places for a name, results that are not kept, and folders of the reader's.
    return {one for one in named if "NAME" not in one and "results" not in one}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_paths_are_there(document):
    missing = [one for one in paths(document) if not any((f / one).exists() for f in FOLDERS)]
    assert missing == []


def test_paths_are_found():
    assert len(paths(ROOT / "CONTRIBUTING.md")) > 20
