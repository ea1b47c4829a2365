"""The reference without what classes inherit from other packages, and with complete signatures.

A widget has a hundred methods of anywidget, ipywidgets and traitlets, and a signature that hides
its own parameters.
"""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

PACKAGE = "sam2_widget"


def skipped(*event: Any) -> bool | None:
    """Leave out members that are defined elsewhere."""
    _app, _what, _name, member, _skip, _options = event
    if isinstance(member, property):
        member = member.fget
    # A trait knows the class that it belongs to.
    owner = getattr(member, "this_class", None) or member
    module = getattr(owner, "__module__", None)
    is_foreign = isinstance(module, str) and module.split(".")[0] != PACKAGE
    return True if is_foreign else None


def signed(*event: Any) -> tuple[str, None] | None:
    """The parameters of ``__init__`` where a metaclass or base class hides them."""
    _app, what, _name, documented, _options, signature, _returned = event
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    found = inspect.signature(documented.__init__)
    own = found.replace(parameters=list(found.parameters.values())[1:])
    return stringify_signature(own, show_annotation=False, show_return_annotation=False), None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-skip-member", skipped)
    app.connect("autodoc-process-signature", signed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
