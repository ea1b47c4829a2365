"""What users are told of what they did: each page its own, until its user has read and goes on."""

from __future__ import annotations

from collections.abc import Iterable

EVERYBODY = ""
"""In the place of a client, where all pages are told."""


def tab_of(client: str) -> str:
    """What of a client's id stays when its page is loaded again, see js/src/client.js."""
    return client.partition(".")[0] or client


class Notices:
    """Notices of one widget, at most one for each page and one for all.

    A page that is loaded again in its tab is told what it was told before: it is another client,
    and its user may not have read it.

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
        """The notices that stand, by tab; those for all pages under `EVERYBODY`."""
        return {tab: text for tab, (_, text) in self._told.items()}

    def tell(self, text: str, client: str = EVERYBODY) -> None:
        """Tell a page something, instead of what it was told before."""
        self.count += 1
        self._told[tab_of(client)] = (self.count, text)

    def seen(self, client: str, count: int) -> None:
        """The user of a page goes on, having seen the first `count` notices."""
        for told in (tab_of(client), EVERYBODY):
            if told in self._told and self._told[told][0] <= count:
                del self._told[told]

    def forget(self, client: str, remaining: Iterable[str]) -> None:
        """A page is gone; if no other of its tab remains, nobody will read what it was told."""
        if tab_of(client) not in map(tab_of, remaining):
            self._told.pop(tab_of(client), None)
