"""Proposals as a table: ``w.proposals``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sam2_widget.errors import PromptError
from sam2_widget.export.tables import typed_frame
from sam2_widget.proposals.proposal import Proposal

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: dict[str, type] = {
    "number": np.int64,
    "score": np.float64,
    "stability": np.float64,
    "area": np.int64,
    **dict.fromkeys(("x0", "y0", "x1", "y1"), np.int64),
    **dict.fromkeys(("x", "y"), np.float64),
}


class ProposalTable(Sequence[Proposal]):
    """Proposals, each with ``number``, ``score``, ``stability``, ``area``, ``box`` and ``point``.

    A snapshot of the moment when it was read.
    """

    def __init__(self, proposals: Iterable[Proposal] = ()) -> None:
        self._proposals = tuple(proposals)

    def __len__(self) -> int:
        return len(self._proposals)

    def __repr__(self) -> str:
        return f"ProposalTable({len(self)} proposals)"

    @overload
    def __getitem__(self, index: int) -> Proposal: ...
    @overload
    def __getitem__(self, index: slice) -> ProposalTable: ...
    def __getitem__(self, index: int | slice) -> Proposal | ProposalTable:
        if isinstance(index, slice):
            return ProposalTable(self._proposals[index])
        return self._proposals[index]

    def numbered(self, numbers: Iterable[int]) -> ProposalTable:
        """The proposals with these numbers, each once.

        Raises
        ------
        PromptError
            If there is no proposal with one of the numbers.
        """
        known = {one.number: one for one in self}
        wanted = list(dict.fromkeys(numbers))
        for number in wanted:
            if number not in known:
                raise PromptError(f"there is no proposal {number!r} among these {len(self)}")
        return ProposalTable(known[number] for number in wanted)

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas.DataFrame, with the box as x0, y0, x1, y1 and the point as x, y.

        Raises
        ------
        MissingLibraryError
            If pandas is not installed.
        """
        return typed_frame([_flat(one) for one in self], COLUMNS)


def _flat(proposal: Proposal) -> dict[str, Any]:
    return {
        "number": proposal.number,
        "score": proposal.score,
        "stability": proposal.stability,
        "area": proposal.area,
        **dict(zip(("x0", "y0", "x1", "y1"), proposal.box, strict=True)),
        **dict(zip(("x", "y"), proposal.point, strict=True)),
    }
