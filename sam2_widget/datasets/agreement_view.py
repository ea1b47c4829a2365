"""The view of an agreement in a notebook: figures by class, and the images that differ most.

It is HTML without scripts, so that a saved notebook shows it, too.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sam2_widget._utils.arrays import UInt8Array
from sam2_widget._utils.text import presentable
from sam2_widget.datasets.agreed_objects import ClassAgreement, Match
from sam2_widget.errors import ImageError
from sam2_widget.export.values import ResultLike
from sam2_widget.images.rendering import Layer, draw
from sam2_widget.images.view import encode_jpeg

COLORS = ("#0072b2", "#e69f00")
"""Blue and orange, which people who are colour-blind tell apart: one colour an annotator."""

SIDE = 320
"""Longer side of a picture in pixels."""

MAX_BYTES = 25_000
"""Largest size of a picture's file."""

PICTURES = 6
"""Most pictures."""

MAX_CLASSES = 50
"""Most rows of the table."""

STYLE = """
.sam2-agreement { font-variant-numeric: tabular-nums; }
.sam2-agreement table { border-collapse: collapse; margin: 8px 0; }
.sam2-agreement th, .sam2-agreement td { padding: 2px 12px 2px 0; text-align: right; }
.sam2-agreement th { font-weight: 600; border-bottom: 1px solid var(--jp-border-color1, #8888); }
.sam2-agreement th:first-child, .sam2-agreement td:first-child { text-align: left; }
.sam2-agreement ul {
  display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0; padding: 0; list-style: none;
}
.sam2-agreement figure { margin: 0; width: 320px; max-width: 100%; }
.sam2-agreement img { display: block; max-width: 100%; height: auto; }
.sam2-agreement figcaption { overflow-wrap: anywhere; }
.sam2-agreement small { color: var(--jp-ui-font-color2, inherit); }
.sam2-agreement i { display: inline-block; width: 10px; height: 10px; margin: 0 4px 0 0; }
.sam2-agreement i + span { margin-right: 12px; }
"""


def _text(value: str) -> str:
    return escape(presentable(value))


@dataclass(frozen=True, slots=True, eq=False)
class ComparedImage:
    """An image, and what both annotators have marked in it.

    Attributes
    ----------
    name : str
    results : (ResultLike, ResultLike)
    matches : tuple of Match
    read : callable
        Returns the pixels, (H, W, 3) uint8.
    """

    name: str
    results: tuple[ResultLike, ResultLike]
    matches: tuple[Match, ...]
    read: Callable[[], UInt8Array]

    @property
    def disagreement(self) -> float:
        """How much the two differ: 1 for each object that only one has marked."""
        other_label = sum(one.is_matched and one.label != one.other_label for one in self.matches)
        return sum(1 - one.iou for one in self.matches) + other_label


def most_different(images: Iterable[ComparedImage]) -> list[ComparedImage]:
    """The images to be shown: those in which the two differ, most first."""
    different = [one for one in images if one.disagreement > 0]
    return sorted(different, key=lambda one: -one.disagreement)[:PICTURES]


def agreement_html(
    summary: str,
    names: tuple[str, str],
    classes: Sequence[ClassAgreement],
    images: Sequence[ComparedImage],
) -> str:
    """The view of an agreement as HTML."""
    pictures = "".join(_picture(one, names) for one in images)
    shown = f"{_legend(names)}<ul>{pictures}</ul>" if images else ""
    table = _table(classes, names)
    style = f"<style>{STYLE}</style>"
    return f'<div class="sam2-agreement">{style}<p>{_text(summary)}</p>{table}{shown}</div>'


def _table(classes: Sequence[ClassAgreement], names: tuple[str, str]) -> str:
    titles = ["Class", *names, "both", "F1", "mean IoU", "other label"]
    head = "".join(f'<th scope="col">{_text(title)}</th>' for title in titles)
    body = "".join(_row(one) for one in classes[:MAX_CLASSES])
    more = len(classes) - MAX_CLASSES
    rest = f"<p><small>{more} more classes</small></p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _row(one: ClassAgreement) -> str:
    values = [one.objects, one.other_objects, one.matched, _figure(one.f1), _figure(one.mean_iou)]
    label = "<em>no class</em>" if one.label is None else _text(one.label)
    cells = "".join(f"<td>{value}</td>" for value in (*values, one.other_label))
    return f"<tr><td>{label}</td>{cells}</tr>"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _legend(names: tuple[str, str]) -> str:
    marks = "".join(
        f'<i style="background:{color}"></i><span>{_text(name)}</span>'
        for name, color in zip(names, COLORS, strict=True)
    )
    explained = "Filled: only one has marked it. White rim: the two have given other labels."
    return f"<p>{marks}<small>{explained}</small></p>"


def _picture(one: ComparedImage, names: tuple[str, str]) -> str:
    counts = _counts(one.matches, names)
    caption = f"{_text(one.name)}<br><small>{_text(counts)}</small>"
    try:
        shown = _image(_drawn(one), _text(f"{one.name}: {counts}"))
    except ImageError as error:
        shown, caption = "", f"{caption}<br>{_text(str(error))}"
    return f"<li><figure>{shown}<figcaption>{caption}</figcaption></figure></li>"


def _image(data: bytes, alt: str) -> str:
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" alt="{alt}">'


def _counts(matches: Iterable[Match], names: tuple[str, str]) -> str:
    every = list(matches)
    both = sum(one.is_matched for one in every)
    first = sum(one.other_place is None for one in every)
    second = sum(one.place is None for one in every)
    other = sum(one.is_matched and one.label != one.other_label for one in every)
    parts = [f"{both} by both"]
    parts += [f"{first} only {names[0]}"] if first else []
    parts += [f"{second} only {names[1]}"] if second else []
    parts += [f"{other} with other labels"] if other else []
    return ", ".join(parts)


def _drawn(one: ComparedImage) -> bytes:
    """The picture as a JPEG file: outlines of both, filled where only one has marked an object."""
    rgb = one.read()
    if tuple(rgb.shape[:2]) != tuple(one.results[0].size):
        raise ImageError("This image has another size by now.")
    alone = draw(rgb, _layers(one, matched=False), side=SIDE)
    both = draw(np.asarray(alone), _layers(one, matched=True), style="contour")
    return encode_jpeg(both, MAX_BYTES)[1]


def _layers(one: ComparedImage, *, matched: bool) -> Iterator[Layer]:
    for match in one.matches:
        if match.is_matched != matched:
            continue
        places = (match.place, match.other_place)
        other_label = match.is_matched and match.label != match.other_label
        for place, result, color in zip(places, one.results, COLORS, strict=True):
            if place is not None:
                yield Layer(result.objects[place].crop, result.size, color, active=other_label)
