"""Find objects that GrabCut alone did not: the model so far proposes, GrabCut has to agree.

``python -m training.relabel PREPARED/photos CHECKPOINT`` looks at the photos without an object
and writes what it finds as label 2, so that later training can use or ignore it. Photos on which
GrabCut fails have the busy backgrounds that the easy ones lack. Run it once for a checkpoint; a
photo that has an object is not looked at again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from sam2_widget.answers import Answers
from sam2_widget.models.sam2_predictor import load
from sam2_widget.prompts import Box, Point
from training.evaluate import to_mask
from training.prepare import save
from training.pseudo import WORK_SIDE, iou, is_plausible, shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sam2_widget.predictor import Predictor

    Image = NDArray[np.uint8]
    Mask = NDArray[np.bool_]

FOUND = 2
MARGIN = 0.06
LEAST_SCORE = 0.6
AGREEMENT = 0.85
SURE = 0.08
"""Width of the band that GrabCut may change, as a share of the image's longest side."""


def propose(predictor: Predictor, image: Image) -> Mask | None:
    """Return the best-scored answer to a click and to a box in the middle, if it is plausible."""
    height, width = image.shape[:2]
    x, y = width * MARGIN, height * MARGIN
    prompts = Point(width / 2, height / 2), Box(x, y, width - x, height - y)
    embedding = predictor.embed(image)
    answers = [
        Answers(predictor, lambda: embedding, (height, width))((prompt,)) for prompt in prompts
    ]
    best = max(answers, key=lambda answer: answer.score)
    mask = to_mask(best.mask, image.shape)
    plausible = best.score >= LEAST_SCORE and mask.any() and is_plausible(mask)
    return mask if plausible else None


def refine(image: Image, mask: Mask) -> Mask:
    """Let GrabCut move a mask's outline within a band around it."""
    band = 2 * round(SURE * max(mask.shape)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (band, band))
    shape = mask.astype(np.uint8)
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.dilate(shape, kernel) == 0] = cv2.GC_BGD
    labels[cv2.erode(shape, kernel) == 1] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, labels, (0, 0, 1, 1), *models, 2, cv2.GC_INIT_WITH_MASK)
    return np.asarray(labels % 2 == 1)


def find_object(predictor: Predictor, image: Image) -> Mask | None:
    """Return an object, (H, W), on which the model and GrabCut agree."""
    small = shrink(image, WORK_SIDE)
    proposed = propose(predictor, small)
    if proposed is None:
        return None
    refined = refine(small, proposed)
    if iou(proposed, refined) < AGREEMENT:
        return None
    full = cv2.resize(refined.astype(np.uint8) * 255, image.shape[1::-1])
    return np.asarray(full > 127)  # noqa: PLR2004


def relabel(folder: Path, predictor: Predictor) -> int:
    """Look at every photo of a prepared source that has no object; return how many gained one."""
    gained = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            image, layers = arrays["image"], arrays["layers"]
        found = None if layers[0].any() else find_object(predictor, image)
        if found is not None:
            layers[0] = FOUND * found
            save(path, {"image": image, "layers": layers})
            gained += 1
    return gained


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    predictor = load(args.checkpoint, name=args.checkpoint.stem, device="cpu")
    print(f"{relabel(args.folder, predictor)} photos gained an object")


if __name__ == "__main__":
    main()
