"""A Jupyter Server extension that sets ``TCP_NODELAY`` on the WebSockets of kernels.

Without it the second small part of an answer is sent only after the browser has acknowledged the
first, up to 40 ms later. The widget's page works around that with small messages (`AckProbe` in
`sam2_widget.comm.requests`); with it none are needed, and all other widgets are quicker, too.

It changes the WebSockets of all kernels of a server, so it is off until an administrator enables it
where this package is installed beside the server: ``jupyter server extension enable
sam2_widget.server --sys-prefix``. Neither torch nor the widget runs in the server.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

HANDLERS = (
    ("jupyter_server.services.kernels.websocket", "KernelWebsocketHandler"),
    ("jupyter_server.services.kernels.handlers", "ZMQChannelsHandler"),
)
"""Where kernels' WebSockets are served, newest first: since jupyter_server 2, and before."""

NODELAY = "SAM2_WIDGET_NODELAY"
"""Set in the environment that this server's kernels get."""

_MARK = "_sam2_widget_nodelay"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Called by Jupyter Server when the extension is enabled."""
    return [{"module": "sam2_widget.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Called by Jupyter Server as it starts."""
    handler = find_handler()
    if handler is None:
        server_app.log.warning("sam2_widget.server: this Jupyter Server has no known WebSocket")
        return
    enable_nodelay(handler)
    os.environ[NODELAY] = "1"
    server_app.log.info("sam2_widget.server: kernels' answers leave at once (TCP_NODELAY)")


def has_nodelay() -> bool:
    """Whether the server that started this kernel has this extension: pages need no `AckProbe`."""
    return os.environ.get(NODELAY) == "1"


def find_handler() -> type[Any] | None:
    """The class that serves kernels' WebSockets; None if this server's is unknown."""
    for module, name in HANDLERS:
        try:
            found: type[Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return found
    return None


def enable_nodelay(handler: type[Any]) -> None:
    """Have `handler`, a tornado WebSocketHandler, set ``TCP_NODELAY`` on each socket it opens."""
    if getattr(handler, _MARK, False):
        return
    opened: Callable[..., Awaitable[None] | None] = handler.open

    @functools.wraps(opened)
    def open_nodelay(self: Any, *arguments: Any, **keywords: Any) -> Awaitable[None] | None:
        try:
            self.set_nodelay(True)
        except Exception:
            # Slower, but it works: no reason to refuse a kernel.
            logger.exception("TCP_NODELAY could not be set")
        return opened(self, *arguments, **keywords)

    setattr(handler, "open", open_nodelay)  # noqa: B010 - mypy forbids to assign a method
    setattr(handler, _MARK, True)
