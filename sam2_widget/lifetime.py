"""How long a widget lives: while a name refers to it, or an output shows it.

ipywidgets keeps every widget until it is closed, so that each run of a cell would leave one behind,
with its image. Here that hold is weak, and a widget is kept for what can be seen instead: from when
a cell has displayed it until that cell is run again or deleted, for then its output is gone. A page
that was closed changes nothing: the notebook shows its widgets again when it is opened.

Where outputs cannot be told apart, everything stays as ipywidgets has it: in hosts without IPython,
in cells without an id, and for what was displayed into an `Output` widget or captured.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any
from weakref import WeakKeyDictionary, finalize, proxy

import comm
import ipywidgets
from ipywidgets.widgets import widget as ipywidgets_registry

from sam2_widget.weak import weakly

_SOMEWHERE = object()
"""A place that never goes."""

_shown: dict[str, tuple[Any, set[object]]] = {}
"""By model id: a widget that is displayed, and the cells that do so."""


def _shell() -> Any:
    """The running IPython shell if it has a kernel."""
    try:
        from IPython import get_ipython  # noqa: PLC0415
    except ImportError:
        return None
    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def hold_weakly(widget: Any) -> None:
    """Let `widget`, whose comm has just been opened, go when nobody refers to it."""
    if _shell() is None and not isinstance(widget.comm, comm.DummyComm):
        return
    if not _closer:
        # Not when the first is gone: a thread that starts as the interpreter ends never does.
        _closer.append(threading.Thread(target=_close_all, name="sam2-widget-end", daemon=True))
        _closer[0].start()
    key = widget.model_id
    widget.comm.on_msg(weakly(widget._handle_msg))  # noqa: SLF001 - ipywidgets' own
    registry: dict[str, Any] = ipywidgets_registry._instances  # noqa: SLF001 - as its embed does
    registry[key] = proxy(widget)
    finalize(widget, registry.pop, key, None).atexit = False


def shown(widget: Any) -> None:
    """`widget` is displayed by the running cell."""
    shell = _shell()
    if shell is None:
        return
    _watch_cells(shell)
    _, places = _shown.setdefault(widget.model_id, (widget, set()))
    places.add(_place(shell))


def forget(model_id: str) -> None:
    """The widget is closed: no output shows it any more."""
    _shown.pop(model_id, None)


def _place(shell: Any) -> object:
    cell = _metadata(shell).get("cellId")
    return cell if cell and not _is_captured(shell) else _SOMEWHERE


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
    """The outputs of a cell that runs again are gone, and those of deleted ones."""
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
    """Put the prompts in the widget's place wherever IPython keeps what cells have returned.

    They are all that is needed to make the masks again.
    """
    instead, namespace, hook = widget.prompts, shell.user_ns, shell.displayhook
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

_orphans: queue.SimpleQueue[Any] = queue.SimpleQueue()
_closer: list[threading.Thread] = []


def close_later(orphan: Any) -> None:
    """Close the comm of a widget that is gone, which removes its model from the pages.

    The garbage collector calls this at any moment on any thread, perhaps in the middle of another
    message: it must not send one itself. A `SimpleQueue` is made for such callers.
    """
    if _closer:
        _orphans.put(orphan)


def _close_all() -> None:
    while True:
        orphan = _orphans.get()
        with contextlib.suppress(Exception):
            orphan.close()
        del orphan
