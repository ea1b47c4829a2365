"""Segment images by saved prompts or without any, and label folders of images in JupyterLab."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam2_widget.errors import (
    ExportError,
    ImageError,
    MissingLibraryError,
    PromptError,
    SegmentationError,
)
from sam2_widget.export.registry import COMMAND_LINE, FORMATS, accepts, format_for, load
from sam2_widget.prompts.categories import NO_CATEGORIES, Categories, as_categories
from sam2_widget.prompts.collections import Prompts

if TYPE_CHECKING:
    from sam2_widget.export.values import ResultLike
    from sam2_widget.results.segmentation import Segmentation
    from sam2_widget.results.tracking import StackTracker, TrackedFrame

CLASSES = (
    "the classes in order, e.g. cat,dog; with numbers, e.g. '{\"cat\": 17}'; or a data.yaml, "
    "classes.txt or COCO file with them. By default those of the prompts, then others in the order "
    "of first use. Numbers are the same in all files"
)

PROPOSING = (
    "region",
    "points_per_side",
    "layers",
    "min_score",
    "min_stability",
    "min_area",
    "max_area",
    "max_overlap",
    "label",
    "plane",
)
"""Options of the command `propose` whose defaults are those of the Python function."""

INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".npy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            status: int = options.run(options)
        except SegmentationError as error:
            _print_message(str(error))
            return 1
    return status


def _print_message(text: str) -> None:
    # Messages name the Python argument; the option of the command line is spelled differently.
    text = text.replace("overwrite=True", "--overwrite")
    sys.stderr.write(f"sam2-widget: {text}\n")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line, without file and line number."""
    _print_message(str(message))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sam2-widget", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    segment = commands.add_parser(
        "segment",
        help="segment an image, or all images of a folder, by saved prompts",
        description="Segment an image, or all images of a folder, by prompts from w.prompts.save.",
    )
    segment.set_defaults(run=_segment)
    add = segment.add_argument
    add("image", type=Path, help="an image, or a folder of images")
    add(
        "--prompts",
        type=Path,
        required=True,
        help="a prompts file, or a folder with IMAGE.prompts.json or IMAGE.json for each image",
    )
    add("--out", type=Path, required=True, help="file to write, or folder if IMAGE is a folder")
    add(
        "--format",
        choices=COMMAND_LINE,
        help="by default the format of the suffix of --out, and png in a folder",
    )
    add("--plane", type=_json, help="plane to segment, e.g. 3 or '{\"Z\": 3}'")
    _add_common(segment)
    _add_track(
        commands.add_parser(
            "track",
            help="track objects through a video or a stack by saved prompts",
            description="Track objects by prompts from w.planes.prompts.save.",
        )
    )
    _add_propose(
        commands.add_parser(
            "propose",
            help="segment everything in an image, or in all images of a folder, without prompts",
            description="Segment everything in an image, in a region of it, or in all images of a "
            "folder, without prompts.",
        )
    )
    _add_precompute(
        commands.add_parser(
            "precompute",
            help="encode all images of a folder, so that nobody waits for the model",
            description="Encode all images of a folder and keep the results on disk. It may be "
            "stopped at any time, and goes on where it was when it is started again.",
        )
    )
    _add_label(
        commands.add_parser(
            "label",
            help="label a folder of images in JupyterLab",
            description="Start JupyterLab on a notebook that labels a folder of images.",
        )
    )
    schema = commands.add_parser("schema", help="print the JSON Schema of prompts")
    schema.set_defaults(run=_schema)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that the commands for images share."""
    _add_reading(parser)
    add = parser.add_argument
    add("--classes", help=CLASSES)
    add("--overwrite", action="store_true", help="replace existing files")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and for reading images."""
    add = parser.add_argument
    add("--model", default="auto", help="as in Python (default: auto)")
    add("--device", help="cpu, cuda, cuda:1 or mps")
    add("--axes", help="letters of the image's axes, e.g. ZCYX")
    add("--channels", type=_json, help="channels, e.g. 2, '[3, 2, 1]' or '{\"0\": \"red\"}'")
    add(
        "--contrast-limits",
        type=_json,
        help="\"full\", or the values shown as black and white, e.g. '[100, 4000]'",
    )


def _add_propose(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_propose)
    add = parser.add_argument
    add("image", type=Path, help="an image, or a folder of images")
    add("--out", type=Path, required=True, help="file to write, or folder if IMAGE is a folder")
    add(
        "--format",
        choices=COMMAND_LINE,
        help="by default the format of the suffix of --out, and png in a folder",
    )
    add("--region", type=_region, metavar="X0,Y0,X1,Y1", help="in pixels (default: all)")
    add("--points-per-side", type=int, help="points along each side (default: 16)")
    add("--layers", type=int, help="layers of crops, for small things (default: 0)")
    add("--min-score", type=float, help="least score, 0..1 (default: as suits the model)")
    add("--min-stability", type=float, help="least stability, 0..1 (default: likewise)")
    add("--min-area", type=int, help="least area in pixels")
    add("--max-area", type=int, help="largest area in pixels")
    add("--max-overlap", type=float, help="largest IoU of two masks, 0..1 (default: 0.7)")
    add("--label", help="label of all objects")
    add("--plane", type=_json, help="plane of a stack, e.g. 3 or '{\"Z\": 3}'")
    _add_common(parser)


def _region(text: str) -> list[float]:
    try:
        x0, y0, x1, y1 = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a region must be given as X0,Y0,X1,Y1 in pixels, got {text!r}"
        ) from None
    return [x0, y0, x1, y1]


def _propose(options: argparse.Namespace) -> int:
    """Segment everything, and write the result."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    options.classes = None if options.classes is None else _classes(options.classes)
    if options.image.is_dir():
        return _propose_in_folder(options)
    options.format = options.format or _file_format(options.out)
    _check_folder_of(options.out)
    with tqdm(total=100, unit="%", disable=None) as bar:
        result = _proposed(
            options.image, options, lambda share: bar.update(int(100 * share) - bar.n)
        )
    _write(result, options.out, options)
    _print_message(f"{len(result.objects)} objects were found")
    return 0


def _propose_in_folder(options: argparse.Namespace) -> int:
    from sam2_widget.export.values import UNLABELED  # noqa: PLC0415 - on demand

    options.classes = (options.classes or NO_CATEGORIES).with_names([options.label or UNLABELED])
    return _for_each_image(options, lambda image: _proposed(image, options))


def _proposed(
    image: Path, options: argparse.Namespace, progress: Callable[[float], object] | None = None
) -> Segmentation:
    from sam2_widget.results.proposing import propose  # noqa: PLC0415 - on demand

    given = {name: value for name in PROPOSING if (value := getattr(options, name)) is not None}
    return propose(
        image,
        model=options.model,
        device=options.device,
        progress=progress,
        **given,
        **_loading(options),
    )


def _add_precompute(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_precompute)
    add = parser.add_argument
    add("images", help="a folder, a glob, or a CSV or COCO file that lists images")
    add(
        "--store",
        type=Path,
        help="folder for the results (default: SAM2_WIDGET_STORE, else the user's cache folder)",
    )
    _add_reading(parser)


def _precompute(options: argparse.Namespace) -> int:
    """Encode all images of a folder, and keep their embeddings on disk."""
    from sam2_widget.config import configure, current  # noqa: PLC0415 - on demand
    from sam2_widget.datasets.precompute import precompute  # noqa: PLC0415
    from sam2_widget.models.embeddings.cache import embeddings  # noqa: PLC0415

    store = configure(store=options.store or current().store or True).store
    try:
        found = precompute(
            options.images, model=options.model, device=options.device, **_loading(options)
        )
    except KeyboardInterrupt:
        embeddings.flush()
        _print_message("stopped: the same command goes on where it was")
        return INTERRUPTED
    embeddings.flush()
    _print_message(
        f"{found.encoded} images were encoded and {found.known} were known: in notebooks, "
        f"configure(store={str(store)!r}) uses them"
    )
    return 1 if found.failures else 0


def _add_label(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_label)
    add = parser.add_argument
    add("folder", type=Path, help="a folder of images")
    add("--model", default="auto", help="as in Python (default: auto)")
    add("--classes", help=CLASSES)
    add(
        "--annotations",
        type=Path,
        help="folder for notebook and annotations, if the images are in one that cannot be written "
        "to (default: .sam2-widget in the folder of the images)",
    )
    add(
        "--jupyter",
        type=shlex.split,
        default=[],
        help="options for JupyterLab, e.g. --jupyter='--no-browser --port=9999'",
    )


def _label(options: argparse.Namespace) -> int:
    """Start JupyterLab on a notebook that labels a folder."""
    from sam2_widget.datasets.label_notebook import NAME, write_notebook  # noqa: PLC0415
    from sam2_widget.datasets.sources import list_images  # noqa: PLC0415 - on demand
    from sam2_widget.export.folders import make_folder  # noqa: PLC0415
    from sam2_widget.models.checkpoints import check_name  # noqa: PLC0415

    if find_spec("jupyterlab") is None:
        raise MissingLibraryError(
            "JupyterLab is not installed: run `pip install 'sam2-widget[lab]'`"
        )
    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        raise ImageError(f"there is no folder {str(options.folder)!r} (in {Path.cwd()})")
    list_images(folder)
    check_name(options.model)
    annotations = options.annotations and options.annotations.expanduser().resolve()
    place = annotations or folder
    make_folder(place)
    classes = None if options.classes is None else _classes(options.classes)
    is_new = write_notebook(
        place / NAME, folder, model=options.model, classes=classes, annotations=annotations
    )
    if not is_new:
        _print_message(
            f"{str(place / NAME)!r} is there already and is opened as it is: model and classes are "
            "in its first cell"
        )
    # The browser that JupyterLab opens gets the notebook, the address that it prints does not.
    address = f"--LabApp.default_url=/lab/tree/{NAME}"
    command = [sys.executable, "-m", "jupyterlab", str(place / NAME), address, *options.jupyter]
    with suppress(KeyboardInterrupt):
        return subprocess.call(command, cwd=place)  # noqa: S603 - the user's own options
    return 0


def _add_track(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_track)
    add = parser.add_argument
    add("source", type=Path, help="a video, a stack of pages or slices, or a folder of images")
    add("--prompts", type=Path, required=True, help="a prompts file")
    add(
        "--out",
        type=Path,
        required=True,
        help="folder for one file per frame; or one file for all frames: .json "
        "(YouTube-VIS), .txt (MOTS), .csv, .tif, .npz, .zip (PNGs), .mp4 (masks over the video)",
    )
    add("--format", choices=COMMAND_LINE, help="format of the files in a folder (default: png)")
    add("--objects", type=_numbers, help="numbers of the objects to track, e.g. 1,4 (default: all)")
    add("--planes", type=_slice, help="frames to track, e.g. 100:250 (default: all)")
    add("--direction", choices=("both", "forward", "backward"), default="both")
    _add_common(parser)


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers must be given as 1,4, got {text!r}") from None


def _slice(text: str) -> slice:
    found = re.fullmatch(r"(-?\d+)?:(-?\d+)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"frames must be given as START:STOP, got {text!r}")
    return slice(*(None if end is None else int(end) for end in found.groups()))


def _track(options: argparse.Namespace) -> int:
    """Track objects, and write one file per frame or one file for all."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    from sam2_widget.results.tracking import prepare_tracking  # noqa: PLC0415 - on demand

    classes = None if options.classes is None else _classes(options.classes)
    is_one_file = options.format is None and _is_track_file(options.out)
    job = prepare_tracking(
        options.source,
        options.prompts,
        model=options.model,
        device=options.device,
        objects=options.objects,
        planes=options.planes,
        direction=options.direction,
        **_loading(options),
    )
    results = tqdm(job.results(), total=len(job.planes), unit="frame", disable=None)
    if is_one_file:
        _write_track_file(results, job, classes, options)
    else:
        _write_frame_files(results, job, classes, options)
    _print_message(f"{len(job.planes)} frames were tracked")
    return 0


def _is_track_file(out: Path) -> bool:
    """Whether `--out` names one file for all frames, not a folder."""
    from sam2_widget.export.tracks.formats import SUFFIXES  # noqa: PLC0415 - on demand

    known = [suffix for suffix in SUFFIXES if suffix]
    return _has_suffix(out, known, "a name without suffix for a folder of files")


def _write_frame_files(
    results: Iterable[TrackedFrame],
    job: StackTracker,
    classes: Categories | None,
    options: argparse.Namespace,
) -> None:
    from sam2_widget.results.track_files import write_frames  # noqa: PLC0415 - on demand

    chosen = options.format or "png"
    more = _with_classes(chosen, classes)
    written = write_frames(
        results, job.planes, options.out, format=chosen, overwrite=options.overwrite, **more
    )
    for _ in written:
        pass


def _write_track_file(
    results: Iterable[TrackedFrame],
    job: StackTracker,
    classes: Categories | None,
    options: argparse.Namespace,
) -> None:
    """Write all frames into one file."""
    from sam2_widget.export.tracks.formats import (  # noqa: PLC0415 - on demand
        format_of,
        write_tracks,
        writer_of,
    )

    known: dict[str, Any] = {
        "source": job.stack,
        "length": len(job.stack),
        "classes": classes,
    }
    writer = writer_of(format_of(options.out))
    more = {name: value for name, value in known.items() if accepts(writer, name)}
    write_tracks(results, options.out, overwrite=options.overwrite, **more)


def _classes(text: str) -> Categories:
    """Parse classes: a list, a mapping, or the path of a file with them."""
    suffix = Path(text).suffix.lower()
    if suffix == ".json":
        from sam2_widget.export.coco import read_coco_categories  # noqa: PLC0415 - on demand

        return read_coco_categories(text)
    if suffix in (".yaml", ".yml", ".txt"):
        from sam2_widget.export.yolo import read_class_names  # noqa: PLC0415 - on demand

        return read_class_names(text)
    value = _json(text)
    return as_categories(text.split(",") if isinstance(value, str) else value)


def _json(text: str) -> Any:
    """Parse JSON; text that is not JSON is returned as it is, and keys with digits become int."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        return {int(key) if key.lstrip("-").isdigit() else key: v for key, v in value.items()}
    return value


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(Prompts.schema(), indent=2) + "\n")
    return 0


def _segment(options: argparse.Namespace) -> int:
    options.classes = None if options.classes is None else _classes(options.classes)
    if options.image.is_dir():
        return _folder(options)
    options.format = options.format or _file_format(options.out)
    _check_folder_of(options.out)
    result = _segmented(options.image, Prompts.load(options.prompts), options)
    _write(result, options.out, options)
    return 0


def _file_format(out: Path) -> str:
    """The format of the suffix of `--out`, for the masks of one image."""
    found = format_for(out.name)
    if found is None:
        suffixes = [one for each in COMMAND_LINE for one in FORMATS[each].suffixes if one]
        raise _unknown_suffix(out, suffixes, "a name without suffix for a folder of PNGs")
    return found.name


def _has_suffix(out: Path, suffixes: Sequence[str], folder: str) -> bool:
    """Whether `--out` ends with one of the suffixes; if not, it must name a folder."""
    if out.suffix.lower() in suffixes:
        return True
    if out.suffix and not out.is_dir():
        raise _unknown_suffix(out, suffixes, folder)
    return False


def _unknown_suffix(out: Path, suffixes: Iterable[str], folder: str) -> ExportError:
    return ExportError(
        f"no format for --out {str(out)!r} has the suffix {out.suffix!r}: use one of "
        f"{', '.join(dict.fromkeys(suffixes))}, or {folder}, or pass --format"
    )


def _check_folder_of(out: Path) -> None:
    """Raise `ExportError` before any work if a file cannot be written because of its folder."""
    if not out.parent.is_dir():
        raise ExportError(f"cannot write {str(out)!r}: there is no folder {str(out.parent)!r}")


def _folder(options: argparse.Namespace) -> int:
    """Segment all images of a folder by their prompts."""
    options.classes = _categories_of_all(_images_in(options.image), options)
    return _for_each_image(
        options, lambda image: _segmented(image, _prompts_of(image, options), options)
    )


def _images_in(folder: Path) -> list[Path]:
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGES)
    if not images:
        raise ImageError(
            f"there are no images in {str(folder)!r}: it must hold files with the suffixes "
            f"{', '.join(IMAGES)}"
        )
    return images


def _for_each_image(options: argparse.Namespace, segment: Callable[[Path], Segmentation]) -> int:
    """Segment all images of a folder; an image that fails is reported, and the others continue."""
    from tqdm import tqdm  # noqa: PLC0415 - only here

    images = _images_in(options.image)
    options.format = options.format or _folder_format(options.out)
    run = _FolderRun(options, segment)
    done = [run.process(image) for image in tqdm(images, unit="image", disable=None)]
    run.finish()
    _print_message(f"{sum(done)} of {len(images)} images were segmented")
    return 0 if all(done) else 1


def _folder_format(out: Path) -> str:
    """The format of the suffix of `--out`, for the masks of a folder of images."""
    for_all = {entry.suffixes[0]: entry.name for entry in FORMATS.values() if entry.set_writer}
    is_file = _has_suffix(out, list(for_all), "a name without suffix for a folder of PNGs")
    return for_all[out.suffix.lower()] if is_file else "png"


def _categories_of_all(images: Sequence[Path], options: argparse.Namespace) -> Categories:
    """The classes of all prompts, so that a class has the same number in all files.

    Prompts that cannot be read are skipped here; their error is reported with their image.
    """
    from sam2_widget.export.values import UNLABELED  # noqa: PLC0415 - on demand

    categories: Categories = options.classes or NO_CATEGORIES
    labels: dict[str | None, None] = {}
    for image in images:
        with suppress(SegmentationError):
            prompts = _prompts_of(image, options)
            for name in categories.conflicts(prompts.categories) if not options.classes else ():
                _print_message(
                    f"{image.name}: its prompts give the class {name!r} another number: pass "
                    "--classes to choose the numbers"
                )
            is_empty = not categories.names
            categories = (
                prompts.categories if is_empty else categories.with_names(prompts.categories.names)
            )
            labels.update(dict.fromkeys(obj.label for obj in prompts))
    # Objects without a label are numbered after all others, as in one file.
    named = [label for label in labels if label is not None]
    return categories.with_names([*named, *([UNLABELED] if None in labels else [])])


class _FolderRun:
    """Segments the images of a folder and writes the results, one file per image if possible."""

    def __init__(
        self, options: argparse.Namespace, segment: Callable[[Path], Segmentation]
    ) -> None:
        from sam2_widget._utils.files import check_free  # noqa: PLC0415
        from sam2_widget.export.folders import make_folder  # noqa: PLC0415 - on demand

        self._options = options
        self._segment = segment
        self._results: dict[str, ResultLike] = {}
        self._file, folder = _output_paths(options)
        self._yaml: Path | None = folder / "data.yaml" if options.format == "yolo" else None
        for path in (self._file, self._yaml):
            if path is not None:
                check_free(path, overwrite=options.overwrite)
        make_folder(folder)

    def process(self, image: Path) -> bool:
        """Segment an image and write it; report an error and return False if that fails."""
        options = self._options
        try:
            result = self._segment(image)
            if self._file is not None:
                self._results[image.name] = replace(result, image=None)
            else:
                _write(result, _output_file(image, options), options)
        except SegmentationError as error:
            _print_message(f"{image.name}: {error}")
            return False
        return True

    def finish(self) -> None:
        """Write the files that describe all images."""
        categories, overwrite = self._options.classes, self._options.overwrite
        if self._file is not None:
            write = load(FORMATS[self._options.format].set_writer)
            write(self._results, self._file, classes=categories, overwrite=overwrite)
        if self._yaml is not None:
            from sam2_widget._utils.files import write_bytes  # noqa: PLC0415
            from sam2_widget.export.yolo import data_yaml  # noqa: PLC0415 - on demand

            write_bytes(self._yaml, data_yaml(categories), overwrite=overwrite)


def _output_paths(options: argparse.Namespace) -> tuple[Path | None, Path]:
    """The file for all images, None if the format has one for each, and the output folder."""
    out: Path = options.out
    chosen = FORMATS[options.format]
    if not chosen.set_writer:
        return None, out
    suffix = chosen.suffixes[0]
    file = out if out.suffix.lower() == suffix else out / f"annotations{suffix}"
    return file, file.parent


def _prompts_of(image: Path, options: argparse.Namespace) -> Prompts:
    folder: Path = options.prompts
    if not folder.is_dir():
        return Prompts.load(folder)
    # The name of downloads first: LabelMe uses IMAGE.json for its own files.
    names = [f"{image.stem}.prompts.json", f"{image.stem}.json"]
    name = next((name for name in names if (folder / name).is_file()), None)
    if name is None:
        raise PromptError(
            f"there is neither {names[0]!r} nor {names[1]!r} in {str(folder)!r}: save the prompts "
            "of the image there with w.prompts.save"
        )
    return Prompts.load(folder / name)


def _output_file(image: Path, options: argparse.Namespace) -> Path:
    out: Path = options.out
    chosen = FORMATS[options.format]
    return out if chosen.shares_folder else out / f"{image.stem}{chosen.suffixes[0]}"


def _segmented(image: Path, prompts: Prompts, options: argparse.Namespace) -> Segmentation:
    from sam2_widget.results.headless import segment  # noqa: PLC0415 - after the arguments are checked

    return segment(
        image,
        prompts,
        model=options.model,
        device=options.device,
        plane=options.plane,
        **_loading(options),
    )


def _loading(options: argparse.Namespace) -> dict[str, Any]:
    """The options of reading an image: axes, channels and contrast limits."""
    limits = "auto" if options.contrast_limits is None else options.contrast_limits
    return {"axes": options.axes, "channels": options.channels, "contrast_limits": limits}


def _with_classes(format_: str, classes: Categories | None) -> dict[str, Any]:
    """The option `classes` for a writer, if it has this parameter."""
    takes_classes = accepts(load(FORMATS[format_].writer), "classes")
    return {"classes": classes} if takes_classes and classes is not None else {}


def _write(result: Segmentation, out: Path, options: argparse.Namespace) -> None:
    more = _with_classes(options.format, options.classes)
    result.to_file(out, format=options.format, overwrite=options.overwrite, **more)
