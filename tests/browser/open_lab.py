"""A page of JupyterLab that stays open from test to test: loading it costs more than most tests."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

from . import forked_kernels
from .lab import Notebook, new_context

# Not the command that closes a document, because it opens a dialog about saving it.
# Not before the end of a reload either, which opens documents and activates one of them.
CLOSE_ALL = """
async () => {
  await jupyterapp.restored;
  const { shell, serviceManager } = jupyterapp;
  for (const panel of [...shell.widgets("main")]) {
    const session = panel.sessionContext?.session;
    const id = session?.id;
    // First: what the kernel still sends would find no widget.
    session?.dispose();
    panel.dispose();
    if (id) serviceManager.sessions.shutdown(id);
  }
}
"""
OPEN = """
path => { jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" }); }
"""

# State that a test may have left behind, besides its notebook.
TIDY = """
async () => {
  const { shell, commands } = jupyterapp;
  if (document.fullscreenElement) await document.exitFullscreen();
  shell.expandLeft();
  const theme = "JupyterLab Light";
  if (document.body.dataset.jpThemeName !== theme) {
    await commands.execute("apputils:change-theme", { theme });
  }
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith("sam2-widget-")) localStorage.removeItem(key);
  }
  sessionStorage.clear();
}
"""
IS_SHOWN = "() => !document.getElementById('jupyterlab-splash')"
IS_LOADED = "() => Boolean(window.jupyterapp?.shell?.currentWidget)"


class OpenLab(Notebook):
    """A notebook in a JupyterLab that may be open already."""

    kernel = forked_kernels.NAME
    _numbers = itertools.count()

    def __init__(self, open_page, base, folder):
        super().__init__(open_page.page, base, folder)
        self._open_page = open_page

    def open(self, cells, name=None, kernel=None):
        # Until then JupyterLab's errors concern the previous notebook, whose kernel may still send.
        with self._open_page.errors_ignored():
            close_notebooks(self.page)
            # A session belongs to a path, and that of the previous notebook may still be ending.
            return super().open(cells, name or f"test-{next(self._numbers)}.ipynb", kernel)

    def show(self, name):
        if not self.page.evaluate(IS_LOADED):
            self.visit(name)
            return
        self.page.evaluate(OPEN, name)
        self.page.wait_for_function(
            "name => jupyterapp.shell.currentWidget?.context?.path === name", arg=name
        )
        self.wait_idle()


def close_notebooks(page):
    """Close all open documents, and end their kernels."""
    if page.evaluate(IS_LOADED):
        page.evaluate(CLOSE_ALL)


def shut_down_kernels(page):
    """End all kernels of the server."""
    page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")


class OpenPage:
    """A page with its own screen, and the list that receives its errors."""

    def __init__(self, browser, options):
        self.errors = []
        self._viewport = options["viewport"]
        self.context = new_context(browser, **options)
        self.page = self.context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._loads = 0
        self.page.on("domcontentloaded", self._on_load)

    def _on_load(self):
        self._loads += 1

    @property
    def has_reloaded(self):
        """Whether it has loaded JupyterLab again.

        Then JupyterLab opens the document of its address some time after it is usable, and
        activates it, if it was closed meanwhile even in the next test.
        """
        return self._loads > 1

    def _on_console(self, message):
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location}")

    @contextmanager
    def errors_ignored(self):
        """Within this context errors of the page are not recorded."""
        errors, self.errors = self.errors, []
        try:
            yield
        finally:
            self.errors = errors

    def tidy(self, viewport):
        """Reset the page to its initial state."""
        for other in self.context.pages:
            if other is not self.page:
                other.close()
        self.page.mouse.move(0, 0)
        self.page.set_viewport_size(viewport)
        if self.page.evaluate(IS_LOADED):
            self.page.evaluate(TIDY)
            self.page.wait_for_function(IS_SHOWN)


class OpenPages:
    """The pages that are open, one for each kind of screen."""

    def __init__(self, browser, most=2):
        self._browser, self._most = browser, most
        self._open = {}

    def take(self, options):
        """The page with these options, with a viewport of any size."""
        key = repr({**options, "viewport": None})
        page = self._open.pop(key, None) or OpenPage(self._browser, options)
        self._open[key] = page
        page.tidy(options["viewport"])
        while len(self._open) > self._most:
            self.close(next(iter(self._open.values())))
        return page

    def close(self, page):
        self._open = {key: kept for key, kept in self._open.items() if kept is not page}
        page.context.close()

    def close_all(self):
        for page in list(self._open.values()):
            self.close(page)
