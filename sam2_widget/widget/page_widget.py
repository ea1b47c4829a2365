"""The anywidget that both widgets build on: how long it exists, and how its messages arrive."""

from __future__ import annotations

from typing import Any

import anywidget

from sam2_widget.comm.routing import route_as_sent
from sam2_widget.widget import lifetime


class PageWidget(anywidget.AnyWidget):
    """An anywidget that exists while a variable refers to it or an output shows it.

    A subclass sets `_receiver`, which decides what messages are accepted.
    """

    _receiver: Any

    def open(self) -> None:
        """Open the comm."""
        super().open()
        route_as_sent(self.comm)
        lifetime.hold_weakly(self)

    def close(self) -> None:
        """Remove it from all pages."""
        if self.comm is not None:
            lifetime.forget(self.model_id)
            self.comm.on_msg(None)
            self.layout.close()
        super().close()
        # Where it puts None, so that a closed widget could not be displayed at all.
        self.__dict__.pop("_repr_mimebundle_", None)

    def __del__(self) -> None:
        # Called by the garbage collector, on any thread, which may hold any lock at that moment:
        # nothing is sent, drawn, locked or waited for.
        try:
            # Not by the names of the traits, which would make what was not there yet.
            values = self.__dict__.get("_trait_values", {})
            for name in ("layout", "comm"):
                if values.get(name) is not None:
                    lifetime.close_later(values[name].close)
        except Exception:  # noqa: BLE001, S110 - modules are empty when the interpreter ends
            pass

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if self.comm is None:
            return {"text/plain": repr(self)}, {}
        lifetime.shown(self)
        return super()._repr_mimebundle_(**kwargs)

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        """Handle a message on the comm."""
        if self._receiver.is_framed(msg):
            super()._handle_msg(msg)
