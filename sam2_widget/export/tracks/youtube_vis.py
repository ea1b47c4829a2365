"""COCO JSON for videos as in YouTube-VIS: one annotation per track, one RLE per frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sam2_widget._utils.files import Source, Target, name_of, read_json, write_json
from sam2_widget.errors import AnnotationError, ExportError
from sam2_widget.export import rle
from sam2_widget.export.sizes import Budget, checked_size
from sam2_widget.export.tracks.frames import (
    FramesLike,
    LabeledFrames,
    gathered,
    in_order,
    with_ids,
)
from sam2_widget.export.values import (
    LabeledMask,
    ObjectLike,
    categories_of,
    label_of,
    read_number,
    read_score,
)
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories, ClassesLike, as_categories


@dataclass(slots=True)
class _Track:
    label: str
    on_frame: dict[int, dict[str, Any]] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)


def write_youtube_vis(
    frames: FramesLike,
    target: Target,
    *,
    length: int | None = None,
    file_names: Sequence[str] | None = None,
    classes: ClassesLike | None = None,
    overwrite: bool = False,
) -> None:
    """Write COCO JSON with ``track_id``, as in YouTube-VIS.

    Parameters
    ----------
    frames : iterable of TrackedFrame, LabeledFrames, or mapping of int to Segmentation
        In the order of the frames.
    target : path or file object
    length : int, optional
        Number of frames of the video; by default up to the last one given.
    file_names : sequence of str, optional
        File names of the frames; by default ``00000.jpg``, ….
    classes : as for `write_coco`
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        If frames are not in order, of different sizes, or more than `length` or `file_names` allow.
    """
    tracks: dict[int, _Track] = {}
    known = NO_CATEGORIES if classes is None else as_categories(classes)
    done, size = 0, (0, 0)
    for number, result in in_order(frames):
        known = categories_of(result, known if known.names else None)
        _add(tracks, number, with_ids(result), result.size)
        done, size = number + 1, result.size
    value = _described(tracks, _names(done, length, file_names), size, known)
    write_json(target, value, overwrite=overwrite)


def _add(
    tracks: dict[int, _Track],
    number: int,
    objects: list[tuple[int, ObjectLike]],
    size: tuple[int, int],
) -> None:
    encoded = rle.encode_all((found.crop for _, found in objects), size)
    for (track_id, found), counts in zip(objects, encoded, strict=True):
        x0, y0, x1, y1 = found.crop.bbox
        track = tracks.setdefault(track_id, _Track(label_of(found)))
        track.on_frame[number] = {
            "segmentations": counts,
            "bboxes": [x0, y0, x1 - x0, y1 - y0],
            "areas": found.crop.area,
        }
        if found.score is not None:
            track.scores[number] = float(found.score)


def _names(done: int, length: int | None, file_names: Sequence[str] | None) -> list[str]:
    """File names of all frames."""
    total = done if length is None else length
    names = [f"{n:05d}.jpg" for n in range(total)] if file_names is None else list(file_names)
    if len(names) < done:
        raise ExportError(
            f"there are results for {done} frames, but length= or file_names= gives {len(names)}"
        )
    return names


def _described(
    tracks: Mapping[int, _Track], names: list[str], size: tuple[int, int], known: Categories
) -> dict[str, Any]:
    ids = known.numbers(first=1)
    facts = {"width": size[1], "height": size[0], "length": len(names)}
    return {
        "info": {"description": "Written by sam2-widget", "version": "1.0"},
        "videos": [{"id": 1, "file_names": names, **facts}],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [
            {
                "id": place,
                "video_id": 1,
                "track_id": track_id,
                "category_id": ids[track.label],
                "iscrowd": 0,
                **facts,
                **_by_frame(track, len(names)),
            }
            for place, (track_id, track) in enumerate(sorted(tracks.items()), start=1)
        ],
    }


def _by_frame(track: _Track, length: int) -> dict[str, Any]:
    """Lists with an entry for each frame, None where the object is absent."""
    nothing: dict[str, Any] = {}
    found: dict[str, Any] = {
        key: [track.on_frame.get(n, nothing).get(key) for n in range(length)]
        for key in ("segmentations", "bboxes", "areas")
    }
    if track.scores:
        found["scores"] = [track.scores.get(n) for n in range(length)]
        found["score"] = sum(track.scores.values()) / len(track.scores)
    return found


def read_youtube_vis(source: Source, *, size: tuple[int, int] | None = None) -> LabeledFrames:
    """Read the tracks of a video from YouTube-VIS JSON of this package or others.

    Parameters
    ----------
    source : path or file object
    size : (int, int), optional
        (height, width) that frames must have.

    Raises
    ------
    AnnotationError
        If it is not such a file, describes several videos, or is damaged.
    """
    name = name_of(source)
    value = read_json(source, dict[str, Any])
    videos, annotations = value.get("videos"), value.get("annotations")
    if not isinstance(videos, list) or not isinstance(annotations, list) or len(videos) != 1:
        raise AnnotationError(f"{name} must have 'annotations' and one entry in 'videos'")
    facts = videos[0] if isinstance(videos[0], dict) else {}
    size = checked_size(
        (read_number(facts.get("height")) or 0, read_number(facts.get("width")) or 0), size, name
    )
    labels = _labels(value.get("categories"))
    found: dict[int, list[LabeledMask]] = defaultdict(list)
    for annotation in annotations:
        _read_track(annotation, found, labels, size, name)
    length = read_number(facts.get("length")) or len(facts.get("file_names") or ())
    return gathered(found, size, length=length, categories=_categories(labels))


def _labels(categories: object) -> dict[int, str]:
    if not isinstance(categories, list):
        return {}
    return {
        one["id"]: str(one["name"])
        for one in categories
        if isinstance(one, dict) and isinstance(one.get("id"), int) and "name" in one
    }


def _categories(labels: Mapping[int, str]) -> Categories:
    return Categories.from_ids(labels, first=1) if labels else NO_CATEGORIES


def _read_track(
    annotation: Any,
    found: dict[int, list[LabeledMask]],
    labels: Mapping[int, str],
    size: tuple[int, int],
    name: str,
) -> None:
    masks = annotation.get("segmentations") if isinstance(annotation, dict) else None
    if not isinstance(masks, list):
        raise AnnotationError(f"an annotation of {name} must have a list of 'segmentations'")
    track_id = read_number(annotation.get("track_id", annotation.get("id")))
    if track_id is None:
        raise AnnotationError(f"an annotation of {name} has no 'track_id' from 1 on")
    scores = annotation.get("scores")
    for number, encoded in enumerate(masks):
        if encoded is None:
            continue
        crop = rle.decode(encoded, size, Budget(name))
        score = scores[number] if isinstance(scores, list) and number < len(scores) else None
        label = labels.get(annotation.get("category_id"))
        found[number].append(LabeledMask(crop, size, label, read_score(score), number=track_id))
