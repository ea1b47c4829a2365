"""Changes of JSON that keep most of its structure, so that they get past the first check."""

from __future__ import annotations

import copy
import json
import random

ODD = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, float("nan"), 2**31, 2**53, 2**63, 10**400),
    *("", "x", "\ud800", "\x00", "<img src=x onerror=alert(1)>", "1e999", "a" * 300, "é"),
    *([], [[]], {}, [0, 0], [[1, 2], [3, 4]], {"type": "point", "x": 1, "y": 2}),
]


def places(value, where=()):
    """Paths of all parts of a JSON value."""
    yield where
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield from places(inner, (*where, key))


def mutated(value, rng: random.Random):
    """`value` with one to four changes."""
    box = {"": copy.deepcopy(value)}
    for _ in range(rng.randint(1, 4)):
        paths = [p for p in places(box) if p]
        path = rng.choice(paths)
        owner = box
        for key in path[:-1]:
            owner = owner[key]
        _change(owner, path[-1], rng, box, rng.choice(paths))
    return box[""]


def _change(owner, key, rng, box, other):
    old = owner[key]
    kind = rng.randrange(8)
    if kind == 0 and owner is not box:
        del owner[key]
    elif kind == 1:
        owner[key] = copy.deepcopy(rng.choice(ODD))
    elif kind == 2:
        owner[key] = [copy.deepcopy(old) for _ in range(rng.choice((2, 3, 40)))]
    elif kind == 3 and isinstance(old, (int, float)) and abs(old) < 1e300:
        owner[key] = rng.choice((-old, old + 1, old * 2, old / 3, float(old) * 1e9))
    elif kind == 4 and isinstance(old, str) and old:
        at = rng.randrange(len(old))
        owner[key] = old[:at] + rng.choice(("", chr(rng.randrange(128)), old)) + old[at + 1 :]
    elif kind == 5 and isinstance(old, list):
        rng.shuffle(old)
    elif kind == 6 and isinstance(owner, dict) and owner is not box:
        owner[rng.choice(("x", "type", "prompts", "rid", "extra"))] = copy.deepcopy(old)
    else:
        part = box
        for step in other:
            part = part[step]
        if len(str(part)) < 2000:
            owner[key] = copy.deepcopy(part)


def mutated_json(data: bytes, size: int, seed: int) -> bytes:
    """A libFuzzer mutator for JSON; what is none is begun anew."""
    rng = random.Random(seed)
    try:
        made = json.dumps(mutated(json.loads(data), rng)).encode()
    except (ValueError, RecursionError):
        made = json.dumps(rng.choice(ODD[:-6])).encode()
    return made if len(made) <= size else data[:size]
