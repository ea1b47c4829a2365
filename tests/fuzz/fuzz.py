"""Coverage-guided fuzzing of the borders, by atheris (Google's libFuzzer for Python).

    python -m tests.fuzz.fuzz [--seconds 600] [--target comm]

Each target has its share of the time in a process of its own. What breaks one is left in
``tests/fuzz/found``; mend it, give the input a name in ``corpus``, and `make test` replays it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"

SHARES = {
    "comm": 4,
    "prompts": 1,
    "rle": 1,
    "json_files": 2,
    "yolo": 1,
    "binary_files": 2,
    "images": 2,
    "videos": 2,
    "tracks": 2,
    "store": 1,
    "polygons": 2,
    "budgets": 2,
    "labels": 2,
}
"""How the time is divided."""

PER_INPUT = 10
"""Seconds after which an input counts as a hang."""

FIGURES = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)")


def child(target: str, arguments: list[str]) -> None:
    """Fuzz one target; never returns."""
    import random

    import atheris

    with atheris.instrument_imports(include=["sam2_widget"]):
        from tests.fuzz import targets
    from tests.fuzz.mutate import mutated_json

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        # A few plain ones, so that what is no JSON is met, too.
        if random.Random(seed).random() < 0.05:
            plain: bytes = atheris.Mutate(data, size)
            return plain
        return mutated_json(data, size, seed)

    targets.prepare()
    options = {"custom_mutator": mutate} if target in targets.JSON else {}
    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[target], **options)
    atheris.Fuzz()


def fuzz(target: str, seconds: float, work: Path) -> tuple[str, bool]:
    """Fuzz one target in a process of its own; returns a line about it, and whether it held."""
    FOUND.mkdir(exist_ok=True)
    limits = [
        f"-max_total_time={max(int(seconds), 1)}",
        f"-timeout={PER_INPUT}",
        "-rss_limit_mb=3000",
    ]
    folders = [str(work), str(CORPUS / target)]
    command = [sys.executable, "-m", "tests.fuzz.fuzz", "--child", target, "--"]
    done = subprocess.run(
        [*command, *limits, f"-artifact_prefix={FOUND / target}-", "-max_len=20000", *folders],
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    figures = FIGURES.search(said)
    if done.returncode or not figures:
        return f"{target}: BROKE\n{said[-4000:]}", False
    runs, coverage, features, inputs = figures.groups()
    return f"{target}: {runs} inputs, {coverage} edges, {features} features, {inputs} kept", True


def main() -> int:
    """Fuzz all targets, or one; 1 if an input broke one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--target", choices=SHARES)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that reached new code")
    parser.add_argument("--child", choices=SHARES, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.child:
        child(options.child, [one for one in rest if one != "--"])
    chosen = [options.target] if options.target else list(SHARES)
    total, held = sum(SHARES[name] for name in chosen), True
    for name in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            work = options.keep / name if options.keep else Path(temporary)
            work.mkdir(parents=True, exist_ok=True)
            line, fine = fuzz(name, options.seconds * SHARES[name] / total, work)
        print(line, flush=True)
        held &= fine
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
