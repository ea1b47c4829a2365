"""The hook that builds the front end, with a program in npm's place."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "sam2-widget"},
        "node_modules/esbuild": {"version": "0.28.2", "integrity": "sha512-a"},
        "node_modules/d3-zoom": {"version": "3.0.0", "integrity": "sha512-b"},
        "node_modules/@esbuild/aix-ppc64": {"version": "0.28.2", "optional": True},
    },
}

# As npm does: packages first, and last the file that lists them.
NPM = f"""#!{sys.executable}
import json, sys
from pathlib import Path
with open("npm-calls.txt", "a") as calls:
    print(*sys.argv[1:3], file=calls)
if sys.argv[1] == "ci":
    packages = json.loads(Path("package-lock.json").read_text())["packages"]
    packages = {{k: v for k, v in packages.items() if k and "optional" not in v}}
    for name, entry in packages.items():
        Path(name).mkdir(parents=True, exist_ok=True)
        Path(name, "package.json").write_text(json.dumps(entry))
    program = Path("node_modules/.bin/esbuild")
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\\necho 0.28.2\\n")
    program.chmod(0o755)
    Path("node_modules/.package-lock.json").write_text(json.dumps({{"packages": packages}}))
else:
    folder = Path(sys.argv[-1].removeprefix("--outdir="))
    (folder / "widget.js").write_text("new")
    if Path("fails").exists():
        sys.exit(1)
    for name in ("widget.css", "set.js", "set.css"):
        (folder / name).write_text("new")
"""


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def npm(tmp_path):
    path = tmp_path / "npm"
    path.write_text(NPM)
    path.chmod(0o755)
    return [str(path)]


@pytest.fixture
def js(tmp_path, hook, npm):
    """A folder in which the tools are installed."""
    folder = tmp_path / "js"
    folder.mkdir()
    (folder / "package-lock.json").write_text(json.dumps(LOCK))
    hook.install_tools(folder, npm)
    assert npm_calls(folder) == ["ci --no-audit"]
    return folder


def npm_calls(js):
    return (js / "npm-calls.txt").read_text().splitlines()


def test_tools_are_installed_once(hook, js, npm):
    hook.install_tools(js, npm)
    assert npm_calls(js) == ["ci --no-audit"]


def cut_short(tools):
    (tools / ".package-lock.json").write_text('{"packages": {"node_mod')


def another_version(tools):
    path = tools / ".package-lock.json"
    path.write_text(path.read_text().replace("sha512-b", "sha512-c"))


def without_program(tools):
    (tools / ".bin" / "esbuild").unlink()


def for_another_machine(tools):
    (tools / ".bin" / "esbuild").write_bytes(b"\x7fELF")


def program_that_fails(tools):
    (tools / ".bin" / "esbuild").write_text("#!/bin/sh\nexit 1\n")


BROKEN: dict[str, Callable[[Path], object]] = {
    "nothing is there": shutil.rmtree,
    "npm was stopped": lambda tools: (tools / ".package-lock.json").unlink(),
    "npm was stopped as it wrote its list": cut_short,
    "a package has another version": another_version,
    "a package is missing": lambda tools: shutil.rmtree(tools / "d3-zoom"),
    "a package is empty": lambda tools: (tools / "d3-zoom" / "package.json").unlink(),
    "esbuild is missing": without_program,
    "esbuild is of another kind of machine": for_another_machine,
    "esbuild fails": program_that_fails,
}


@pytest.mark.parametrize("what", BROKEN)
def test_tools_that_are_incomplete_are_installed_again(hook, js, npm, what):
    BROKEN[what](js / "node_modules")
    hook.install_tools(js, npm)
    assert npm_calls(js) == ["ci --no-audit", "ci --no-audit"]
    hook.install_tools(js, npm)
    assert len(npm_calls(js)) == 2


@pytest.fixture
def bundle(js, hook, npm, monkeypatch):
    """A bundle that was built before."""
    monkeypatch.setattr(hook, "system_npm", lambda: npm)
    folder = js.parent / "sam2_widget" / "static"
    folder.mkdir(parents=True)
    for name in hook.BUNDLE:
        (folder / name).write_text("old")
    return folder


def texts(bundle):
    return {path.name: path.read_text() for path in bundle.iterdir()}


def test_a_bundle_that_is_being_read_is_replaced_as_a_whole(hook, js, bundle):
    with (bundle / "widget.js").open() as reader:
        hook.build_front_end(js.parent)
        assert reader.read() == "old"
    assert texts(bundle) == dict.fromkeys(hook.BUNDLE, "new")


def test_a_build_that_fails_leaves_the_bundle_as_it_was(hook, js, bundle):
    (js / "fails").touch()
    with pytest.raises(hook.FrontEndError, match=r"`npm run build .*` failed"):
        hook.build_front_end(js.parent)
    assert texts(bundle) == dict.fromkeys(hook.BUNDLE, "old")
