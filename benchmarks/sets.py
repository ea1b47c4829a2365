"""Sets of many images and objects, on disk and in memory: ``python -m benchmarks.sets``.

Each operation is timed several times. The least and the largest time are printed, and the least
time of the processor, as others may use the machine. The folder is on the disk of ``TMPDIR``: of a
network's disk, the times are others.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sam2_widget.datasets.annotations import StoredObject
from sam2_widget.datasets.classes import SetClass
from sam2_widget.datasets.image_set import ImageSet
from sam2_widget.datasets.progress import progress_of
from sam2_widget.datasets.review import SORTS
from sam2_widget.datasets.sources import list_images
from sam2_widget.datasets.store import AnnotationStore
from sam2_widget.prompts.collections import ObjectPrompts, Point

REPEATS = 5

SELECTED = 1000
"""Objects that are edited together."""


def timed(title: str, job: Callable[[], object], repeats: int = REPEATS) -> None:
    """Print how long a job takes."""
    taken, used = [], []
    for _ in range(repeats):
        start, processor = time.perf_counter(), time.process_time()
        job()
        taken.append(1e3 * (time.perf_counter() - start))
        used.append(1e3 * (time.process_time() - processor))
    print(f"{title:<44}{min(taken):>10.1f}{max(taken):>10.1f}{min(used):>10.1f}")


def objects(count: int) -> tuple[StoredObject, ...]:
    """Objects of two clicks each."""
    return tuple(
        StoredObject(n, ObjectPrompts((Point(n, n), Point(n + 1, n, 0)), "cat"))
        for n in range(1, count + 1)
    )


def filled(folder: Path, names: list[str], each: int) -> None:
    """Annotate all images of a folder."""
    store = AnnotationStore(folder, names)
    store.change_set(classes=(SetClass("cat", "#ff0000"), SetClass("dog", "#00ff00")))
    for name in names:
        store.change(name, objects=objects(each), state="done")
    store.flush()
    store.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--objects", type=int, default=10, help="of each image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for number in range(options.images):
            (root / f"{number}.jpg").touch()
        print(f"{options.images} images with {options.objects} objects each")
        print(f"{'milliseconds':<44}{'least':>10}{'largest':>10}{'processor':>10}")
        timed("list the folder", lambda: list_images(root))
        names = [one.name for one in list_images(root).images]
        folder = root / ".sam2-widget"
        filled(folder, names, options.objects)
        timed("open the annotations", lambda: AnnotationStore(folder, names).close())
        store = AnnotationStore(folder, names)
        measure(store, names, options.objects)
        store.close()
        review(root)


def measure(store: AnnotationStore, names: list[str], each: int) -> None:
    """The operations of a set that is open."""
    counter = iter(range(10_000))

    def edit() -> None:
        store.change(names[next(counter)], objects=objects(each + 1))

    def rename() -> None:
        store.change_set(renames=(*store.set.renames, ("cat", f"cat {next(counter)}")))

    def rename_and_read() -> None:
        rename()
        for name in names:
            store[name]

    def written() -> None:
        edit()
        store.flush()

    timed("add an object to an image", edit)
    timed("add an object, and have it on disk", written)
    timed("rename a class in all images", rename)
    timed("read an image after that", lambda: store[names[next(counter)]])
    timed("progress of the set", lambda: progress_of(map(store.by_old_names, names)))
    timed("all objects, after a rename", rename_and_read)


def review(folder: Path) -> None:
    """The operations of a review of all objects: ``s.review(…)``."""
    s = ImageSet(folder, classes=["cat", "dog"])
    timed("index all objects", s.review, 1)
    for column in SORTS:
        timed(f"review sorted by {column}", partial(s.review, sort=column))
    timed("review of a class", lambda: s.review(label="cat", state="done", accepted=False))
    timed("a hundred rows of it", lambda: list(s.review(sort="time")[5000:5100]))
    page = s.review(sort="time")[: 10 * SELECTED : 10]
    labels = iter(["dog", "cat"] * REPEATS)

    def relabelled() -> None:
        page.relabel(next(labels))

    timed(f"relabel {len(page)} objects", relabelled)
    timed("review after that", s.review, 1)
    timed("undo", s.undo_review)
    timed(f"accept {len(page)} objects", page.accept, 1)
    timed(f"delete {len(page)} objects", page.delete, 1)
    timed("undo", s.undo_review, 1)
    every = s.review()
    timed(f"accept all {len(every)}", every.accept, 1)
    timed("review after that", s.review, 1)
    timed("have it all on disk", s.flush, 1)
    s.close()


if __name__ == "__main__":
    main()
