"""Notices for users: each page has its own, until its user acts after having seen it."""

from __future__ import annotations

from collections.abc import Iterable

ALL_PAGES = ""
"""Used as client id for a notice for all pages."""

MAX_TABS = 32
"""Largest number of tabs with a notice: every state message contains all notices."""

MAX_LENGTH = 1000
"""Largest number of characters of a notice."""


def tab_of(client: str) -> str:
    """The part of a client id that survives a reload of the page, see js/src/kernel/page-id.js."""
    return client.partition(".")[0] or client


class Notices:
    """Notices of one widget: at most one for each of `MAX_TABS` tabs, and one for all pages.

    A page that is reloaded in its tab shows its notice again: it is another client, and the user
    may not have read it.

    Notices are counted. Each request contains the count that its page had received when the user
    acted, so a request that was sent earlier does not dismiss a notice that the user could not
    have seen, and requests of other pages do not dismiss it either. Guarded by the lock of the
    annotators.

    Attributes
    ----------
    count : int
        Number of notices so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._current: dict[str, tuple[int, str]] = {}

    @property
    def current(self) -> dict[str, str]:
        """The notices that are shown, by tab; the one for all pages under `ALL_PAGES`."""
        return {tab: text for tab, (_, text) in self._current.items()}

    def add(self, text: str, client: str = ALL_PAGES) -> None:
        """Show a notice on a page, in place of its previous one."""
        self.count += 1
        tab, shortened = tab_of(client), text[:MAX_LENGTH]
        self._current.pop(tab, None)
        self._current[tab] = (self.count, text if text == shortened else f"{shortened[:-1]}…")
        tabs = [one for one in self._current if one != ALL_PAGES]
        for oldest in tabs[:-MAX_TABS]:
            del self._current[oldest]

    def dismiss(self, client: str, count: int) -> None:
        """Remove the notices of a page whose user has seen the first `count` and has acted."""
        for tab in (tab_of(client), ALL_PAGES):
            if tab in self._current and self._current[tab][0] <= count:
                del self._current[tab]

    def remove_client(self, client: str, remaining: Iterable[str]) -> None:
        """Remove the notice of a closed page, unless another page of its tab remains."""
        if tab_of(client) not in map(tab_of, remaining):
            self._current.pop(tab_of(client), None)
