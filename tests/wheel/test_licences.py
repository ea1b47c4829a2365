"""What comes with `pip install sam2-widget`: each package under a licence that lets it be used."""

import re
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FREE = re.compile(
    r"Apache|\bMIT\b|BSD|\bISC\b|\bPSF|Python Software Foundation|MPL|Mozilla|HPND|Unlicense|Zlib"
)
"""None of these has conditions for a program that only imports the package."""

NVIDIA = re.compile(r"nvidia-|cuda-")
"""Redistributable parts of CUDA, which torch brings on machines with a GPU; proprietary."""


def installed(root):
    """All packages that `root` needs, by name."""
    names, found = [root], {}
    while names:
        name = canonicalize_name(names.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # not for this platform
        for text in found[name].requires or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                names.append(need.name)
    return found


def licence(distribution):
    """Whatever the metadata tells of it."""
    metadata = distribution.metadata
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License")]
    text = (metadata.get("License") or "").strip().splitlines()[:3]
    return " ".join([metadata.get("License-Expression") or "", *text, *classifiers])


def test_no_dependency_is_under_a_licence_that_binds_its_users():
    packages = installed("sam2-widget")
    assert len(packages) > 20
    licences = {n: licence(d) for n, d in packages.items() if not NVIDIA.match(n)}
    assert not {
        n: t for n, t in licences.items() if re.search(r"Affero|AGPL|(?<!L)GPL-|(?<!L)GPLv", t)
    }
    assert not {n: t for n, t in licences.items() if not FREE.search(t)}
