"""Every key listed in the help, with the events of German, French and Russian keyboards."""

# ruff: noqa: RUF001 - what a Russian keyboard types

import json

import pytest
from playwright.sync_api import TimeoutError as PageTimeoutError

SIZE = (80, 60)
CELL = """
import numpy as np
from sam2_widget import SegmentWidget
from sam2_widget.testing import FakeTrackingPredictor
image = np.full((6, 60, 80, 3), 40, np.uint8)
# A square, of which the lower half is gone on the last planes.
image[:3, 20:40, 20:40] = image[3:, 20:28, 20:40] = (40, 200, 60)
w = SegmentWidget(image, axes="ZYXC", model=FakeTrackingPredictor())
w
"""

ALT, CTRL, META, SHIFT = 1, 2, 4, 8
NAMED = {
    **{name: (name, name, 0) for name in ("Enter", "Delete", "Backspace", "F2", "PageUp")},
    **{name: (name, name, 0) for name in ("PageDown", "Escape")},
    "Alt+ArrowUp": ("ArrowUp", "ArrowUp", ALT),
    "Alt+ArrowDown": ("ArrowDown", "ArrowDown", ALT),
}
LETTERS = "prsbevhxlogcnjtmfzakdqi"


def latin(moved, symbols):
    """A keyboard with letters at their US positions except for `moved`: letter to code."""
    keys = {letter: (moved.get(letter, f"Key{letter.upper()}"), letter, 0) for letter in LETTERS}
    code_z, code_y = moved.get("z", "KeyZ"), moved.get("y", "KeyY")
    control = {"Ctrl+Z": (code_z, "z", CTRL), "Ctrl+Y": (code_y, "y", CTRL)}
    control["Ctrl+Shift+Z"] = (code_z, "Z", CTRL | SHIFT)
    shifted = {
        f"Shift+{letter}": (moved.get(letter.lower(), f"Key{letter}"), letter, SHIFT)
        for letter in "CTDQI"
    }
    return {**NAMED, **keys, **control, **shifted, **symbols}


GERMAN = latin(
    {"z": "KeyY", "y": "KeyZ"},
    {
        "[": ("Digit8", "[", CTRL | ALT),
        "]": ("Digit9", "]", CTRL | ALT),
        "?": ("Minus", "?", SHIFT),
        "+": ("BracketRight", "+", 0),
        "-": ("Slash", "-", 0),
        ",": ("Comma", ",", 0),
        "<": ("IntlBackslash", "<", 0),
        ">": ("IntlBackslash", ">", SHIFT),
        **{digit: (f"Digit{digit}", digit, 0) for digit in "0123"},
    },
)
FRENCH = latin(
    {"z": "KeyW", "w": "KeyZ", "a": "KeyQ", "q": "KeyA"},
    {
        "m": ("Semicolon", "m", 0),
        "[": ("Digit5", "[", CTRL | ALT),
        "]": ("Minus", "]", CTRL | ALT),
        "?": ("KeyM", "?", SHIFT),
        "+": ("Equal", "+", SHIFT),
        "-": ("Digit6", "-", 0),
        ",": ("KeyM", ",", 0),
        "<": ("IntlBackslash", "<", 0),
        ">": ("IntlBackslash", ">", SHIFT),
        "0": ("Digit0", "0", SHIFT),
        "1": ("Digit1", "&", 0),
        "2": ("Digit2", "é", 0),
        "3": ("Digit3", '"', 0),
    },
)
CYRILLIC = dict(zip(LETTERS, "зкыиумрчдщпстоеьаяфлвйш", strict=True))
RUSSIAN = {
    **NAMED,
    **{letter: (f"Key{letter.upper()}", typed, 0) for letter, typed in CYRILLIC.items()},
    "Ctrl+Z": ("KeyZ", "я", CTRL),
    "Ctrl+Y": ("KeyY", "н", CTRL),
    "Ctrl+Shift+Z": ("KeyZ", "Я", CTRL | SHIFT),
    **{
        f"Shift+{letter}": (f"Key{letter}", CYRILLIC[letter.lower()].upper(), SHIFT)
        for letter in "CTDQI"
    },
    "[": ("BracketLeft", "х", 0),
    "]": ("BracketRight", "ъ", 0),
    "?": ("Digit7", "?", SHIFT),
    "+": ("Equal", "+", SHIFT),
    "-": ("Minus", "-", 0),
    ",": ("Comma", "б", 0),
    "<": ("Comma", "Б", SHIFT),
    ">": ("Period", "Ю", SHIFT),
    **{digit: (f"Digit{digit}", digit, 0) for digit in "0123"},
}
LAYOUTS = {"german": GERMAN, "french": FRENCH, "russian": RUSSIAN}

TOOLS = {"r": "box", "s": "scribble", "e": "eraser", "v": "select", "h": "pan", "b": "brush"}
CHOSEN = """root.querySelector('[data-candidate][aria-checked="true"]')?.dataset.candidate"""
BRUSH = "Number(root.querySelector('[data-option=\"brush-size\"]').value)"
ORDER = "[...root.querySelectorAll('.sam2-object')].map((row) => row.dataset.object).join()"
LABELS = (
    "[...root.querySelectorAll('.sam2-object input, .sam2-object select')].map((f) => f.value)"
    ".join()"
)
IN_FIELD = "root.contains(document.activeElement) && document.activeElement.matches('input')"


class Keyboard:
    """A keyboard of one layout, typed on in a widget."""

    def __init__(self, widget, layout):
        self.widget, self.layout = widget, layout
        self.cdp = widget.page.context.new_cdp_session(widget.page)

    def event(self, name, kind):
        code, key, modifiers = self.layout[name]
        text = {"text": key} if len(key) == 1 and not modifiers & CTRL and kind == "keyDown" else {}
        event = {"type": kind, "code": code, "key": key, "modifiers": modifiers, **text}
        self.cdp.send("Input.dispatchKeyEvent", event)

    def press(self, name, condition):
        """Type a key listed in the help, and wait until a condition on `root` is true."""
        self.event(name, "keyDown")
        self.event(name, "keyUp")
        self.wait(name, condition)

    def wait(self, name, condition):
        root = self.widget.root.element_handle()
        try:
            self.widget.page.wait_for_function(f"(root) => {condition}", arg=root)
        except PageTimeoutError as error:
            raise AssertionError(f"the key {name} did not do this: {condition}") from error

    def record(self, name):
        """Append each new value of a data attribute to `root.recorded` from now on."""
        self.widget.root.evaluate(
            """(root, name) => {
              const recorded = (root.recorded = []);
              new MutationObserver(() => {
                const value = root.dataset[name];
                if (recorded.at(-1) !== value) recorded.push(value);
              }).observe(root, { attributeFilter: [`data-${name}`] });
            }""",
            name,
        )

    def value(self, expression):
        return self.widget.root.evaluate(f"(root) => {expression}")


def is_open(panel):
    return f"!root.querySelector('.sam2-{panel}').hidden"


def same(expression, value):
    return f"{expression} === {json.dumps(value)}"


def data(name):
    return f"root.dataset.{name}"


def look(keys):
    """Tools, view and panels."""
    for key, tool in TOOLS.items():
        keys.press(key, same(data("tool"), tool))
    start = keys.value(BRUSH)
    keys.press("]", f"{BRUSH} > {start}")
    larger = keys.value(BRUSH)
    keys.press("[", f"{BRUSH} < {larger}")
    keys.press("p", same(data("tool"), "point"))
    for key, name, on, off in (
        ("x", "polarity", "negative", "positive"),
        ("l", "preview", "on", "off"),
    ):
        keys.press(key, same(data(name), on))
        keys.press(key, same(data(name), off))
    pressed = "root.querySelector('[data-action=\"perClick\"]').ariaPressed"
    keys.press("o", same(pressed, "true"))
    keys.press("o", same(pressed, "false"))
    for key, panel in (("g", "files"), (",", "settings"), ("?", "help")):
        keys.press(key, is_open(panel))
        keys.press("Escape", f"!({is_open(panel)})")
    fit = keys.value(data("zoom"))
    keys.press("+", f"Number({data('zoom')}) > {fit}")
    zoomed = keys.value(data("zoom"))
    keys.press("-", f"Number({data('zoom')}) < {zoomed}")
    keys.press("z", f"{data('zoom')} !== '{fit}'")
    keys.press("0", same(data("zoom"), fit))
    for key, plane in ((">", "1"), ("<", "0"), ("PageDown", "1"), ("PageUp", "0")):
        keys.press(key, same(data("plane"), plane))
    full = "document.fullscreenElement === root || root.classList.contains('sam2-full-page')"
    keys.press("f", full)
    keys.press("f", f"!({full})")


def mark(keys):
    """Candidates, objects and labels."""
    widget = keys.widget
    widget.click(30, 30, SIZE).wait(objects=1)
    for key, chosen in (("1", "0"), ("2", "1"), ("3", "2"), ("c", "0"), ("Shift+C", "2")):
        keys.press(key, same(CHOSEN, chosen))
    keys.press("n", same(data("candidates"), "0"))
    widget.click(60, 40, SIZE).wait(objects=2)
    keys.press("Backspace", same(data("objects"), "1"))
    keys.press("Ctrl+Z", same(data("objects"), "2"))
    keys.press("Enter", same(data("candidates"), "0"))
    widget.click(70, 10, SIZE).wait(objects=3)
    before = keys.value(ORDER)
    keys.press("Alt+ArrowUp", f"{ORDER} !== '{before}'")
    keys.press("Alt+ArrowDown", same(ORDER, before))
    keys.press("Delete", same(data("objects"), "2"))
    keys.press("Ctrl+Z", same(data("objects"), "3"))
    keys.press("Ctrl+Y", same(data("objects"), "2"))
    keys.press("Ctrl+Z", same(data("objects"), "3"))
    keys.press("Ctrl+Shift+Z", same(data("objects"), "2"))
    keys.event("m", "keyDown")
    keys.wait("m", same(data("masks"), "hidden"))
    keys.event("m", "keyUp")
    keys.wait("m", same(data("masks"), "shown"))
    for key in ("F2", "a"):
        keys.press(key, IN_FIELD)
        keys.press("Escape", f"!({IN_FIELD})")
    rows = widget.root.locator(".sam2-object .sam2-select")
    rows.nth(0).click(modifiers=["Control"])
    rows.nth(1).click(modifiers=["Control"])
    keys.press("j", same(data("objects"), "1"))


def follow(keys):
    """Tracking: marks, keyframes, doubtful frames and playback."""
    timeline = "root.querySelector('.sam2-planes').dataset"
    keys.widget.drag((20, 20), (40, 40), SIZE)
    keys.press("Shift+I", same(f"{timeline}.marks", "0,1"))
    keys.press("Shift+I", same(f"{timeline}.marks", ""))
    keys.press("t", same(f"{timeline}.done", "5/5"))
    keys.press("d", same(data("plane"), "2"))
    keys.press("d", same(data("plane"), "3"))
    keys.press("i", same(f"{timeline}.marks", "3,6"))
    keys.press("i", same(f"{timeline}.marks", ""))
    keys.press("Shift+D", same(data("plane"), "2"))
    keys.press("Shift+Q", same(data("plane"), "0"))
    keys.record("playing")
    keys.press("k", "root.recorded.join() === 'true,false'")
    keys.wait("k", same(data("plane"), "5"))
    keys.press("Shift+Q", same(data("plane"), "0"))
    keys.press("q", same(data("plane"), "0"))
    keys.press("n", "true")
    keys.press("Shift+T", same(f"{timeline}.done", "0/0"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_key_of_the_help_can_be_typed(notebook, page, layout):
    notebook.open([CELL]).run_all()
    widget = notebook.widget().ready()
    widget.stage.focus()
    keys = Keyboard(widget, LAYOUTS[layout])
    look(keys)
    follow(keys)
    notebook.run("w.clear()\nw.plane = 0")
    widget.wait(plane=0, objects=0, plane_pending="false").stage.focus()
    mark(keys)
    notebook.run("w.labels = ['cat', 'dog']\nw.select(0)")
    widget.stage.focus()
    keys.press("2", f"{LABELS}.includes('dog')")
    widget.settled()
    assert notebook.value("w.objects[0].label") == "dog"
