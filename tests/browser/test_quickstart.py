"""The first steps of a new user: the quickstart, a few clicks, and the arrays."""

from .conftest import ARTIFACTS

CHELSEA = (451, 300)
REFINEMENTS = [(380, 270), (30, 270), (370, 40)]
CUSHION = [(430, 50), (430, 150), (440, 220)]


def test_the_quickstart_from_the_first_click_to_the_arrays(notebook):
    notebook.visit("quickstart.ipynb")
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()

    widget.click(220, 190, CHELSEA)
    assert notebook.value("[len(w.masks), bool(w.mask[190, 220])]") == [1, True]
    one = notebook.value("w.objects[0].area")
    for x, y in REFINEMENTS:
        widget.click(x, y, CHELSEA)
    assert notebook.value("w.objects[0].area") > one
    assert notebook.value(f"all(bool(w.mask[y, x]) for x, y in {REFINEMENTS})")
    widget.press("n")
    for x, y in CUSHION:
        widget.click(x, y, CHELSEA)
    assert notebook.value("w.masks.shape") == [2, 300, 451]
    found = notebook.value("[[o.area > 5000, o.score > 0.3] for o in w.objects]")
    assert found == [[True, True]] * 2
    assert notebook.value("int((w.label_map == 2).sum()) == w.objects[1].area")

    # For inspection after the run; `python -m docs.picture` makes the picture of the README.
    notebook.run("w.rename(0, 'cat')\nw.rename(1, 'cushion')")
    widget.settled().stage.scroll_into_view_if_needed()
    ARTIFACTS.mkdir(exist_ok=True)
    notebook.page.screenshot(path=ARTIFACTS / "quickstart.png")
    widget.root.screenshot(path=ARTIFACTS / "widget.png")


def test_the_arrays_of_the_next_cell_are_those_of_the_clicks(notebook):
    notebook.visit("quickstart.ipynb")
    notebook.run_all()
    widget = notebook.widget().ready()
    notebook.wait_idle()
    widget.click(220, 190, CHELSEA)
    notebook.run_all_again()
    again = notebook.widget().ready()
    again.click(220, 190, CHELSEA)
    notebook.wait_idle()
    assert notebook.value(
        "bool((segment(w.image, w.prompts, model='bundled').masks == w.masks).all())"
    )
