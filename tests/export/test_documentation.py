"""The table of formats in the documentation: its tests exist, and every export has a row."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from sam2_widget import SegmentWidget
from sam2_widget.export.methods import Exports
from sam2_widget.testing import FakePredictor

ROOT = Path(__file__).parents[2]
FORMATS = (ROOT / "docs" / "_formats-table.md").read_text(encoding="utf-8")
PAGES = ("README.md", "docs/first-steps.md")


def test_tests_named_in_the_table_exist():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", FORMATS)
    assert len(named) >= 15
    for file, name in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_export_method_has_a_row_in_the_table():
    methods = {name for name in vars(Exports) if name.startswith("to_")} - {"to_code"}
    assert methods <= set(re.findall(r"`(to_\w+)", FORMATS))


@pytest.mark.parametrize("page", PAGES)
def test_cell_with_results_can_be_run_twice(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    cells = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (cell,) = [each for each in cells if "w.to_coco(" in each]
    *statements, last = ast.parse(cell).body
    w = SegmentWidget(np.zeros((60, 80, 3), np.uint8), model=FakePredictor())
    w.add_point(30, 30)
    for _ in range(2):
        exec(compile(ast.Module(statements, []), "cell", "exec"), {"w": w})
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), {"w": w})
        assert shown == Path("annotations.json")
        assert shown.is_file()
    w.close()


def test_docstrings_of_export_methods_list_all_parameters():
    reads = {"to_frame", "to_supervision", "to_labels", "to_code"}
    for name in {n for n in vars(Exports) if n.startswith("to_")} - reads:
        method = getattr(Exports, name)
        text = inspect.getdoc(method)
        documented = re.findall(r"^\*{0,2}(\w+) : ", text, flags=re.MULTILINE)
        assert documented == list(inspect.signature(method).parameters)[1:], name
