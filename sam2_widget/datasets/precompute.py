"""Encodes the images of a set before they are opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TypeAlias, cast

from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.sources import SetSource, list_images
from sam2_widget.errors import SettingError
from sam2_widget.images.stacks import ImageStack
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.models.precompute import AnyImage, Precomputed, encode_all

AnyImages: TypeAlias = "ImageSet | ImageStack | SetSource | Iterable[AnyImage]"


def precompute(
    images: AnyImages,
    *,
    model: ModelLike | None = None,
    device: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Precomputed:
    """Encode all images of a set in advance, so that users need not wait for the encoder.

    Images that cannot be read, or that have an embedding, are skipped: what was interrupted goes on
    where it was stopped. With ``configure(store=True)`` the embeddings outlive the kernel; the
    command ``sam2-widget precompute`` does the same without a notebook.

    Parameters
    ----------
    images : ImageSet, ImageStack, folder, glob, CSV or COCO file, or iterable of images
        As for `ImageSet`, or images as for `load_image`.
    model, device
        See `load_model`; by default those of the set, else ``"auto"``.
    progress : bool
        Whether to show a progress bar.
    **options
        For `load_image`; must equal those of the widget, whose pixels would differ otherwise. Those
        of an `ImageSet` are used as they are.

    Returns
    -------
    Precomputed

    Raises
    ------
    ImageError
        If there are no images.
    ModelError
        If the model cannot be loaded.

    Warns
    -----
    UserWarning
        If an image could not be encoded, or the caches are too small for all embeddings.

    Examples
    --------
    >>> from sam2_widget import precompute
    >>> precompute("photos", model="tiny")  # doctest: +SKIP
    Precomputed(encoded=198, known=0, failures={})
    """
    if isinstance(images, ImageSet):
        if options:
            raise SettingError(f"the set has its own {sorted(options)}: pass them to the set")
        model = images.model if model is None else model
        device = images.device if device is None else device
        options = images.options
    return encode_all(
        _single(images),
        model="auto" if model is None else model,
        device=device,
        progress=progress,
        **options,
    )


def _single(images: AnyImages) -> Iterable[AnyImage]:
    """The images of a source, one by one."""
    if isinstance(images, ImageSet):
        return [images.image_at(number).image for number in range(len(images))]
    is_path = isinstance(images, (str, os.PathLike))
    if is_path or hasattr(images, "columns") or hasattr(images, "keys"):
        return [one.image for one in list_images(images).images]
    return cast("Iterable[AnyImage]", images)
