"""Bring every source into one form: small images with layers of labels.

``python -m training.prepare photos PHOTOS OUTPUT`` and likewise for ``instances`` (a folder with
``images`` and 16-bit label maps in ``masks``) and ``cutouts`` (images with alpha). Each image
becomes ``OUTPUT/<name>.npz`` with ``image`` (H, W, 3) uint8 and ``layers`` (L, H, W) uint16, where
0 is unlabelled. The first layer of a photo holds its pseudo-object, the others its regions.
What is already there is not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.pseudo import pseudo_object, shrink, stable_regions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LONGEST = 320
OPAQUE = 127
# Emoji in five skin tones are one object five times; flags are rectangles.
SKIN_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")
FLAGS = ("1f1e", "1f1f")


def read(path: Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    """Read an image as RGB (or RGBA, or a label map), as ``flags`` say."""
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f"{path} is not an image that OpenCV reads")
    if image.ndim == 2:  # noqa: PLR2004
        return np.asarray(image)
    code = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB  # noqa: PLR2004
    return np.asarray(cv2.cvtColor(image, code), np.uint8)


def photo(path: Path) -> Arrays:
    """A photo without labels: pseudo-object and stable regions."""
    image = shrink(read(path), LONGEST)
    found = pseudo_object(image)
    first = np.zeros(image.shape[:2], np.uint16) if found is None else found.astype(np.uint16)
    return {"image": image, "layers": np.concatenate([first[None], stable_regions(image)])}


def instances(path: Path) -> Arrays:
    """An image with a label map of the same name in the folder ``masks`` beside it."""
    image = shrink(read(path), 2 * LONGEST)
    labels = read(path.parents[1] / "masks" / f"{path.stem}.png", cv2.IMREAD_UNCHANGED)
    size = image.shape[1::-1]
    layer = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint16)
    return {"image": image, "layers": layer[None]}


def cutout(path: Path) -> Arrays:
    """An image with alpha, cropped to what is opaque."""
    pixels = shrink(read(path, cv2.IMREAD_UNCHANGED), LONGEST)
    if pixels.ndim != 3 or pixels.shape[2] != 4:  # noqa: PLR2004
        raise ValueError(f"{path} has no alpha channel")
    opaque = pixels[..., 3] > OPAQUE
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return {"image": pixels[box][..., :3], "layers": opaque[box][None].astype(np.uint16)}


SOURCES: dict[str, Callable[[Path], Arrays]] = {
    "photos": photo,
    "instances": instances,
    "cutouts": cutout,
}


def paths_of(kind: str, folder: Path) -> list[Path]:
    """Return the images of a source in a fixed order."""
    root = folder / "images" if kind == "instances" else folder
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if kind != "cutouts":
        return paths
    unwanted = (*SKIN_TONES, *FLAGS)
    return [path for path in paths if not any(code in path.stem for code in unwanted)]


def save(path: Path, arrays: Arrays) -> None:
    """Write one prepared image, never leaving half a file."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.rename(path)


def prepare(kind: str, folder: Path, output: Path) -> None:
    """Prepare every image of a source that is not prepared yet."""
    output.mkdir(parents=True, exist_ok=True)
    for path in paths_of(kind, folder):
        name = "_".join(path.relative_to(folder).with_suffix("").parts)
        target = output / f"{name}.npz"
        if not target.exists():
            save(target, SOURCES[kind](path))


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=SOURCES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    prepare(args.kind, args.folder, args.output)


if __name__ == "__main__":
    main()
