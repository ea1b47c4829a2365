"""Segmentation without a browser: masks from the prompts of a widget, a script or a file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import partial

from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.session import Session
from sam2_widget.images.axes import Plane
from sam2_widget.images.contrast import Channels, ContrastLimits
from sam2_widget.images.sources import ImageLike, load_image
from sam2_widget.models import recovery, worker
from sam2_widget.models.checkpoints import ModelLike, check_model, fetch
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.recovery import Plan
from sam2_widget.prompts.collections import Prompt, Prompts, as_prompts
from sam2_widget.results.segmentation import Segmentation, make_segmentation


def segment(
    image: ImageLike,
    prompts: Prompts | Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]],
    *,
    model: ModelLike = "auto",
    device: str | None = None,
    axes: str | None = None,
    plane: Plane | None = None,
    channels: Channels | None = None,
    contrast_limits: ContrastLimits = "auto",
) -> Segmentation:
    """Segment an image by prompts, as the widget does, without a browser.

    Parameters
    ----------
    image : path, bytes, file object, PIL image, ndarray, tensor, xarray, dask, zarr or h5py array
        See `load_image`.
    prompts : Prompts, or lists of Point, Box, …
        ``w.prompts`` of a widget, the prompts of one object, or a list of the prompts of several
        objects.
    model : str or Predictor
        See `load_model`.
    device : str, optional
        See `load_model`.
    axes, plane, channels, contrast_limits : optional
        How the image is converted to RGB; see `load_image`.

    Returns
    -------
    Segmentation
        With ``masks`` (N, H, W) bool, ``scores`` (N,) float32, ``label_map`` (H, W) int32 and
        ``objects``. The same prompts give exactly the same masks as in the widget, with the same
        model on the same machine.

    Raises
    ------
    ImageError
        If the image cannot be read.
    PromptError
        If the prompts are malformed or outside the image.
    ModelError
        If the model cannot be loaded.

    Warns
    -----
    UserWarning
        If the RGB image lacks a part of the data, e.g. one of four channels.

    Examples
    --------
    >>> from sam2_widget import Point, segment
    >>> result = segment("photo.jpg", [Point(320, 200), Point(40, 30, label=0)])  # doctest: +SKIP
    >>> result.masks.shape  # doctest: +SKIP
    (1, 480, 640)
    """
    loaded = load_image(
        image, axes=axes, plane=plane, channels=channels, contrast_limits=contrast_limits
    )
    if loaded is not image:  # else its warnings were shown before
        for note in loaded.record.get("notes", ()):
            warnings.warn(note, stacklevel=2)
    rgb = loaded.rgb
    wanted = as_prompts(prompts)
    session = Session(rgb.shape[1], rgb.shape[0])
    session.replay(wanted)
    check_model(model)
    plan = plan_for(model, device)

    def segmented(plan: Plan) -> Segmentation:
        predictor = plan.load()
        cache = PredictionCache(predictor, embeddings.source(predictor, rgb), rgb.shape[:2])
        cache.fetch_embedding()
        make = partial(make_segmentation, session, cache, image=loaded)
        return worker.of(predictor).run(make)

    return recovery.attempt(plan, segmented, report=lambda step: warnings.warn(step, stacklevel=4))


def plan_for(model: ModelLike, device: str | None) -> Plan:
    """The plan for loading a model; shows the plan's notes on the model as warnings."""
    if not isinstance(model, (str, os.PathLike)):
        return Plan(given=model)
    found = fetch(model, device=device)
    if found.note:
        warnings.warn(found.note, stacklevel=3)
    return Plan(found, device, was_auto=os.fspath(model) == "auto")
