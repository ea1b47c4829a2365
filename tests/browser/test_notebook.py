"""How the tests themselves run cells."""

import pytest


def test_a_cell_that_fails_fails_the_test_and_the_next_one_runs(notebook):
    notebook.open([])
    with pytest.raises(AssertionError, match="ValueError: 3 objects"):
        notebook.run("print('before')\nraise ValueError('3 objects')")
    assert notebook.run("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')") == "a\nc"
