"""What users are told of what they did: each page its own, until its user has read and goes on."""

from __future__ import annotations

EVERYBODY = ""
"""In the place of a client, where all pages are told."""


class Notices:
    """Notices of one widget, at most one for each page and one for all.

    They are counted. A page says with each request how many there were when its user acted, so a
    request that was on its way already erases nothing that could not be read, and those of other
    pages erase nothing that is not theirs. Guarded by the lock of the annotators.

    Attributes
    ----------
    count : int
        How many there have been so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._told: dict[str, tuple[int, str]] = {}

    @property
    def told(self) -> dict[str, str]:
        """The notices that stand, by client; those for all pages under `EVERYBODY`."""
        return {client: text for client, (_, text) in self._told.items()}

    def tell(self, text: str, client: str = EVERYBODY) -> None:
        """Tell a page something, instead of what it was told before."""
        self.count += 1
        self._told[client] = (self.count, text)

    def seen(self, client: str, count: int) -> None:
        """The user of a page goes on, having seen the first `count` notices."""
        for told in (client, EVERYBODY):
            if told in self._told and self._told[told][0] <= count:
                del self._told[told]

    def forget(self, client: str) -> None:
        """A page is gone."""
        self._told.pop(client, None)
