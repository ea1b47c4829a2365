import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from .lab import Notebook, chromium, jupyter_lab

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# Said by JupyterLab about itself, on a machine without a network.
HARMLESS = ("favicon", "ERR_INTERNET_DISCONNECTED", "ERR_NAME_NOT_RESOLVED")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """What JupyterLab serves: a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, folder)
    return folder


@pytest.fixture(scope="session")
def lab(folder):
    with jupyter_lab(folder) as base:
        yield base


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
            env={**os.environ, "LANG": "C.UTF-8"},
        )
        yield browser
        browser.close()


@pytest.fixture
def page_options():
    return {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture
def console(request):
    """Errors of the page; a test that expects some takes them out."""
    return []


@pytest.fixture
def page(browser, page_options, console, request):
    context = browser.new_context(**page_options)
    page = context.new_page()
    page.on("console", lambda m: m.type == "error" and console.append(f"{m.text} {m.location}"))
    page.on("pageerror", lambda error: console.append(str(error)))
    yield page
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{request.node.name}.png")
    context.close()
    errors = [text for text in console if not any(word in text for word in HARMLESS)]
    assert not errors, errors


@pytest.fixture
def notebook(page, lab, folder):
    notebook = Notebook(page, lab, folder)
    yield notebook
    # A kernel of 500 MB for every test would add up.
    page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
