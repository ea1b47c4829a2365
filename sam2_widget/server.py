"""A Jupyter Server extension: kernels' answers leave at once.

Jupyter's WebSockets hold the second small part of an answer back until the browser has
acknowledged the first, up to 40 ms. The widget's page works around it by small messages of its own;
a server that sets ``TCP_NODELAY`` needs none, and all other widgets are quicker, too.

It is enabled where this package is installed beside the server. Where kernels have an environment
of their own an administrator installs it for the server, too; ``jupyter server extension disable
sam2_widget.server`` does without. Neither torch nor the widget runs in the server.
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

UNDELAYED = "SAM2_WIDGET_UNDELAYED"
"""Set in the environment that this server's kernels get."""

_MARK = "_sam2_widget_undelayed"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Called by Jupyter Server when the extension is enabled."""
    return [{"module": "sam2_widget.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Called by Jupyter Server as it starts."""
    handler = find_handler()
    if handler is None:
        server_app.log.warning("sam2_widget.server: this Jupyter Server has no known WebSocket")
        return
    undelay(handler)
    os.environ[UNDELAYED] = "1"
    server_app.log.info("sam2_widget.server: kernels' answers leave at once (TCP_NODELAY)")


def is_undelayed() -> bool:
    """Whether the server that started this kernel has this extension: nobody need nudge it."""
    return os.environ.get(UNDELAYED) == "1"


def find_handler() -> type[Any] | None:
    """The class that serves kernels' WebSockets; None if this server's is unknown."""
    for module, name in HANDLERS:
        try:
            found: type[Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return found
    return None


def undelay(handler: type[Any]) -> None:
    """Have `handler`, a tornado WebSocketHandler, set ``TCP_NODELAY`` on each socket it opens."""
    if getattr(handler, _MARK, False):
        return
    opened: Callable[..., Awaitable[None] | None] = handler.open

    @functools.wraps(opened)
    def open_undelayed(self: Any, *arguments: Any, **keywords: Any) -> Awaitable[None] | None:
        try:
            self.set_nodelay(True)
        except Exception:
            # Slower, but it works: no reason to refuse a kernel.
            logger.exception("TCP_NODELAY could not be set")
        return opened(self, *arguments, **keywords)

    setattr(handler, "open", open_undelayed)  # noqa: B010 - mypy forbids to assign a method
    setattr(handler, _MARK, True)
