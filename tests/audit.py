"""Known holes in what is installed: pip-audit for Python, npm audit for the front end.

    python tests/audit.py [--if-reachable]

Both ask services that know all holes. Where one cannot be reached, nothing was audited, and that is
said: exit status 2, or 0 with ``--if-reachable``. Holes: 1. None: 0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

JS = Path(__file__).parents[1] / "js"
HOLES, UNREACHABLE = 1, 2


def output(command: list[str], **options: Any) -> dict[str, Any]:
    """The JSON that a command prints; empty if it prints none."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=300, **options
        )
        return cast(dict[str, Any], json.loads(done.stdout))
    except (ValueError, OSError, subprocess.TimeoutExpired):
        return {}


def audit_python() -> int:
    """Ask PyPI about each installed package."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    packages = output([*command, "--skip-editable"]).get("dependencies", [])
    known = [package for package in packages if "vulns" in package]
    if len(known) <= len(packages) / 2:
        print("Python: NOT AUDITED. PyPI's list of vulnerabilities cannot be reached from here.")
        return UNREACHABLE
    bad = [f"{p['name']} {p['version']}: {v['id']}" for p in known for v in p["vulns"]]
    print(f"Python: {len(known)} packages audited, {len(bad)} known holes.", *bad, sep="\n  ")
    return HOLES if bad else 0


def audit_node() -> int:
    """Ask npm about what the front end is built from."""
    found = output([shutil.which("npm") or "npm", "audit", "--json"], cwd=JS)
    if "vulnerabilities" not in found:
        print("Node: NOT AUDITED. npm's audit service cannot be reached from here.")
        return UNREACHABLE
    bad = sorted(found["vulnerabilities"])
    print(f"Node: audited, {len(bad)} known holes.", *bad, sep="\n  ")
    return HOLES if bad else 0


def main() -> int:
    """Audit both."""
    results = [audit_python(), audit_node()]
    if HOLES in results:
        return HOLES
    return 0 if "--if-reachable" in sys.argv else max(results)


if __name__ == "__main__":
    sys.exit(main())
