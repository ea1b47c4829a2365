"""Draws Mermaid's sequence diagrams as SVG when the site is built: no script, no network.

GitHub and editors draw the same text themselves. Of Mermaid's language it knows ``participant A as
Text``, ``A->>B: text``, ``A-->>B: text``, ``A-xB: text`` (a message that is lost) and
``Note over A,B: text``; anything else is an error of the build.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LETTER = 6.8
"""Width of a letter, in the units of the drawing (pixels at most), rather more than less."""

PADDING = 28
ROW = 46
HEAD = 56

PARTICIPANT = re.compile(r"participant (\w+) as (.+)")
MESSAGE = re.compile(r"(\w+)(->>|-->>|-x)(\w+): (.+)")
NOTE = re.compile(r"Note over (\w+)(?:,(\w+))?: (.+)")


class DiagramError(ValueError):
    """A line of a diagram is not understood."""


def drawn(text: str) -> str:
    """The SVG of a diagram, coloured by the classes of site.css."""
    first, *lines = [line.strip() for line in text.splitlines() if line.strip()]
    if first != "sequenceDiagram":
        raise DiagramError(f"only sequence diagrams are drawn, got {first!r}")
    messages = [match[4] for line in lines if (match := MESSAGE.fullmatch(line))]
    notes = [match[3] for line in lines if (match := NOTE.fullmatch(line))]
    spacing = max(190, *map(_width, messages))
    margin = max([180, *map(_width, notes)]) / 2 + 4
    columns: dict[str, float] = {}
    heads: list[str] = []
    parts: list[str] = []
    y = HEAD + ROW / 2
    for line in lines:
        if match := PARTICIPANT.fullmatch(line):
            x = columns[match[1]] = margin + spacing * len(columns)
            heads.append(_box(x, 26, 170, match[2], "head"))
        elif match := MESSAGE.fullmatch(line):
            start, kind, end, words = match.groups()
            parts.append(_arrow(columns[start], columns[end], y, words, kind))
            y += ROW
        elif match := NOTE.fullmatch(line):
            xs = [columns[name] for name in match.group(1, 2) if name]
            width = max(max(xs) - min(xs), _width(match[3]))
            parts.append(_box(sum(xs) / len(xs), y - 8, width, match[3], "note"))
            y += ROW
        else:
            raise DiagramError(f"not understood in a sequence diagram: {line!r}")
    width, height = 2 * margin + spacing * (len(columns) - 1), y
    lines_down = [f'<line x1="{x}" x2="{x}" y1="42" y2="{y - 10}"/>' for x in columns.values()]
    words = "; ".join(messages)
    return (
        f'<svg class="sequence" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img" aria-label="{html.escape("Sequence diagram: " + words)}">'
        f'<g class="life">{"".join(lines_down)}</g>{"".join(heads)}{"".join(parts)}</svg>'
    )


def _width(words: str) -> float:
    return LETTER * len(words) + PADDING


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{html.escape(words)}</text>'


def _box(x: float, y: float, width: float, words: str, kind: str) -> str:
    height = 32 if kind == "head" else 28
    corner = f'x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" rx="5"'
    rectangle = f'<rect {corner} width="{width:.0f}" height="{height:.0f}"/>'
    return f'<g class="{kind}">{rectangle}{_text(x, y + 4.5, words)}</g>'


def _arrow(start: float, end: float, y: float, words: str, kind: str) -> str:
    way = 1 if end > start else -1
    lost = kind == "-x"
    tip = (start + end) / 2 if lost else end - 2 * way
    head = (
        f'<path class="lost" d="M{tip - 6} {y - 6}l12 12m0 -12l-12 12"/>'
        if lost
        else f'<path class="tip" d="M{tip} {y}l{-9 * way} -4.5v9z"/>'
    )
    name = "dashed" if kind == "-->>" else "solid"
    line = f'<line class="{name}" x1="{start}" y1="{y}" x2="{tip}" y2="{y}"/>'
    return f'<g class="message">{line}{head}{_text((start + end) / 2, y - 7, words)}</g>'


class Mermaid(SphinxDirective):  # type: ignore[misc]
    """A fenced block of the language ``mermaid``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The drawing, as HTML."""
        try:
            svg = drawn("\n".join(self.content))
        except (DiagramError, KeyError) as error:
            raise self.error(f"the diagram cannot be drawn: {error}") from error
        return [nodes.raw("", f'<div class="sequence-frame">{svg}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
