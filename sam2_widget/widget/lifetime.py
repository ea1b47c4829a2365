"""Lifetime of a widget: it exists while a variable refers to it, or an output shows it.

ipywidgets keeps every widget until it is closed, so that each run of a cell would leak one with its
image. Here its registry holds widgets weakly. Instead a widget is kept from the time when a cell
has displayed it until that cell is run again or deleted, because then its output is removed.
Closing the page has no effect: the notebook shows its widgets again when it is opened.

Where outputs cannot be distinguished, ipywidgets' behaviour is kept: in hosts without IPython, in
cells without an id, and for widgets that were displayed into an `Output` widget or captured.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, finalize, proxy

import comm
import ipywidgets
from ipywidgets.widgets import widget as ipywidgets_registry

from sam2_widget._utils.weakrefs import weak_callback

_UNKNOWN_PLACE = object()
"""Stands for an output that is never removed."""

_shown: dict[str, tuple[Any, set[object]]] = {}
"""By model id: a displayed widget, and the cells that display it."""


def _shell() -> Any:
    """The running IPython shell if it has a kernel."""
    try:
        from IPython import get_ipython  # noqa: PLC0415
    except ImportError:
        return None
    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def hold_weakly(widget: Any) -> None:
    """Hold `widget`, whose comm has just been opened, weakly in ipywidgets' registry."""
    if not _closer:
        # Started now, because no thread can be started at the end of the interpreter.
        _closer.append(threading.Thread(target=_close_all, name="sam2-widget-end", daemon=True))
        _closer[0].start()
        atexit.register(_stop_closing)
    if _shell() is None and not isinstance(widget.comm, comm.DummyComm):
        return
    key = widget.model_id
    widget.comm.on_msg(weak_callback(widget._handle_msg))  # noqa: SLF001 - ipywidgets' own
    registry: dict[str, Any] = ipywidgets_registry._instances  # noqa: SLF001 - as its embed does
    registry[key] = proxy(widget)
    finalize(widget, registry.pop, key, None).atexit = False


def shown(widget: Any) -> None:
    """Record that the running cell displays `widget`."""
    shell = _shell()
    if shell is None:
        return
    _watch_cells(shell)
    _, places = _shown.setdefault(widget.model_id, (widget, set()))
    places.add(_place(shell))


def forget(model_id: str) -> None:
    """Drop the reference to a closed widget."""
    _shown.pop(model_id, None)


def _place(shell: Any) -> object:
    cell = _metadata(shell).get("cellId")
    return cell if cell and not _is_captured(shell) else _UNKNOWN_PLACE


def _metadata(shell: Any) -> dict[str, Any]:
    found: dict[str, Any] = shell.kernel.get_parent().get("metadata", {})
    return found


def _is_captured(shell: Any) -> bool:
    if hasattr(shell.display_pub, "outputs"):  # %%capture
        return True
    for other in list(ipywidgets_registry._instances.values()):  # noqa: SLF001
        with contextlib.suppress(ReferenceError):
            if isinstance(other, ipywidgets.Output) and other.msg_id:
                return True
    return False


_watched: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def _watch_cells(shell: Any) -> None:
    if shell not in _watched:
        _watched[shell] = True
        shell.events.register("pre_run_cell", _cell_starts)


def _cell_starts(info: Any) -> None:
    """Handle the removal of outputs: of a cell that runs again, and of deleted cells."""
    shell = _shell()
    if shell is None:
        return
    gone = {getattr(info, "cell_id", None), *(_metadata(shell).get("deletedCells") or ())}
    for key, (widget, places) in list(_shown.items()):
        places.difference_update(gone)
        if not places:
            del _shown[key]
            _forget_output(shell, widget)


def _forget_output(shell: Any, widget: Any) -> None:
    """Replace the widget by its prompts in IPython's cache of results (``_``, ``Out``).

    The masks can be computed again from the prompts. Decision 8 in docs/decisions has the reasons.
    """
    # The page of a set has no prompts.
    instead = getattr(widget, "prompts", repr(widget))
    namespace, hook = shell.user_ns, shell.displayhook
    for key in [key for key, value in namespace.get("_oh", {}).items() if value is widget]:
        namespace["_oh"][key] = instead
        _replace(namespace, shell.user_ns_hidden, f"_{key}", widget, instead)
    for name in ("_", "__", "___"):
        _replace(namespace, shell.user_ns_hidden, name, widget, instead)
        if getattr(hook, name, None) is widget:
            setattr(hook, name, instead)
    result = shell.last_execution_result
    if result is not None and result.result is widget:
        result.result = instead


def _replace(
    namespace: dict[str, Any], hidden: dict[str, Any], name: str, old: object, new: object
) -> None:
    for names in (namespace, hidden):
        if names.get(name) is old:
            names[name] = new


# --- the end --------------------------------------------------------------------------------------

_to_close: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
_closer: list[threading.Thread] = []


def close_later(close: Callable[[], object]) -> None:
    """Call `close`, which closes the resources of a freed widget, on a separate thread.

    The garbage collector calls this at any moment on any thread, perhaps while that thread sends a
    message or holds a lock, so this must not acquire a lock. `SimpleQueue.put` is reentrant.
    """
    if _closer:
        _to_close.put(close)


def _close_all() -> None:
    while (close := _to_close.get()) is not None:
        with contextlib.suppress(Exception):
            close()
        del close


def _stop_closing() -> None:
    """Stop closing widgets at the end of the kernel.

    IPython deletes all variables at its end, and ipykernel stops the thread that sends messages.
    After that each thread would send its own, and parts of two messages might be mixed.
    """
    _to_close.put(None)
    _closer[0].join()
    _drop_unused_comms()


def _drop_unused_comms() -> None:
    """Free comms without a kernel: later, when modules are empty, their `__del__` would fail."""
    for widget in list(ipywidgets_registry._instances.values()):  # noqa: SLF001
        with contextlib.suppress(ReferenceError):
            if isinstance(widget.comm, comm.DummyComm):
                widget.comm.close()
                widget.comm = None
