"""The README's table names tests: they are there, and every export has a row."""

import re
from pathlib import Path

from sam2_widget.export.methods import Exports

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_test_that_the_table_names_is_there():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", README)
    assert len(named) >= 15
    for file, name in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_export_has_a_row():
    methods = {name for name in vars(Exports) if name.startswith("to_")} - {"to_code"}
    assert methods <= set(re.findall(r"`(to_\w+)", README))
