"""Definitions of the trait and the message about proposals."""

from __future__ import annotations

from typing import Literal, TypedDict


class ProposalThresholds(TypedDict):
    """Thresholds that suit the model, see `ProposalFilter`."""

    min_score: float
    min_stability: float
    min_area: int
    max_area: int | None
    max_overlap: float


class ProposalExamples(TypedDict):
    """The objects that proposals are compared with: those with the label of the next object.

    Attributes
    ----------
    count : int
        How many there are; 0 if proposals cannot be compared.
    label : str or None
    min_likeness, max_overlap : float
        Thresholds to start with, 0..1.
    """

    count: int
    label: str | None
    min_likeness: float
    max_overlap: float


class ProposingTrait(TypedDict, total=False):
    """The search for proposals on the plane shown, or the last one; empty if there was none.

    Attributes
    ----------
    job : int
        Number of the search.
    message : int
        Number of the last message of proposals that was sent.
    region : (int, int, int, int)
        x0, y0, x1, y1 in image pixels.
    running : bool
    done, total : int
        Points that were tried, and points in total.
    note : str
        Why there can be no proposals; empty if there can be.
    error : str
        Why it ended early; empty if it did not.
    thresholds : ProposalThresholds
        Thresholds that suit the model.
    examples : ProposalExamples
    """

    job: int
    message: int
    region: tuple[int, int, int, int]
    running: bool
    done: int
    total: int
    note: str
    error: str
    thresholds: ProposalThresholds
    examples: ProposalExamples


class ProposalContent(TypedDict):
    """A proposal; its logits are among the message's buffers.

    Attributes
    ----------
    number : int
        From 1, in the order in which proposals were found.
    crop : (int, int, int, int)
        The part of the image that the logits cover: x0, y0, x1, y1 in image pixels.
    box : (int, int, int, int)
        Of the mask, likewise.
    score, stability : float
        0..1.
    area : int
        In image pixels.
    width, height : int
        Size of the grid of logits.
    buffer : int
        Index of the deflated int8 logits among the message's buffers.
    """

    number: int
    crop: tuple[int, int, int, int]
    box: tuple[int, int, int, int]
    score: float
    stability: float
    area: int
    width: int
    height: int
    buffer: int


class ProposalsMessage(TypedDict):
    """New proposals, and what the user has done with those of the search.

    Attributes
    ----------
    n : int
        Number of the message, by which a page notices a lost one.
    job : int
        Number of the search; 0 if there is none.
    reset : bool
        Whether pages must drop all other proposals.
    put : list of ProposalContent
    accepted : list of int
        Numbers of all proposals that are objects now.
    rejected : list of int
        Numbers of all proposals that were rejected.
    likeness : list of float or None
        How much each proposal is like the examples, 0..1, by its number less 1, and empty without
        examples; None if nothing has changed.
    """

    type: Literal["proposals"]
    n: int
    job: int
    reset: bool
    put: list[ProposalContent]
    accepted: list[int]
    rejected: list[int]
    likeness: list[float] | None
