"""The planes of a widget: an annotator each, of which one is shown.

A plain image is one plane. Of a stack, a plane gets its annotator when it is first needed, with
objects and a history of its own; what is said about it stays, its pixels are forgotten when others
need the room. Each plane counts its epochs in a range of its own, so that the epoch in a page's
request tells which plane the user saw.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam2_widget.annotator import Annotator
from sam2_widget.errors import ImageError, MessageError
from sam2_widget.images.arrays import ImageSource, LoadedImage
from sam2_widget.images.kept import KeptPlane, KeptPlanes
from sam2_widget.images.pyramid import Pyramid
from sam2_widget.images.stacks import ImageStack
from sam2_widget.images.view import View, encode_view
from sam2_widget.models import worker
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import ModelLike
from sam2_widget.notices import EVERYBODY, Notices
from sam2_widget.session import Session
from sam2_widget.timings import Timings
from sam2_widget.tracebacks import log_failure

logger = logging.getLogger(__name__)

EPOCHS = 2**32
"""Epochs of one plane."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownPlane:
    """What pages are shown of a plane."""

    index: int
    image: LoadedImage
    view: View
    pyramid: Pyramid


class Planes:
    """Annotators of all planes, and which is shown.

    Parameters
    ----------
    image : LoadedImage or ImageStack
    classes : mapping of str to str
        See `Session`.
    device : str or None
        See `load_model`.
    changed, settled : callable
        See `Annotator`.
    turned : callable
        Called with the lock when another plane is shown.

    Attributes
    ----------
    lock : threading.RLock
    timings : Timings
    notices : Notices
        Those of all annotators.
    along : str
        Letter of the axis; "" for a plain image.
    index : int
        Which plane is shown.
    wanted : int or None
        Which one will be, as soon as it is read.
    picture : ShownPlane
    """

    def __init__(
        self,
        image: LoadedImage | ImageStack,
        classes: Mapping[str, str],
        *,
        device: str | None,
        changed: Callable[[], None],
        settled: Callable[[], None],
        turned: Callable[[], None],
    ) -> None:
        self.lock = threading.RLock()
        self.timings = Timings()
        self.notices = Notices()
        self.along = image.along if isinstance(image, ImageStack) else ""
        self.index = 0
        self.wanted: int | None = None
        self._images, self._count = _images_of(image)
        self._classes = classes
        self._device = device
        self._changed = changed
        self._settled = settled
        self._turned = turned
        self._annotators: dict[int, Annotator] = {}
        self._model: ModelLike = "auto"
        self._equipped: dict[int, int] = {}
        """By plane, which of the models asked for it has."""
        self._asked = 0
        self._ahead = 1
        self._prefetched: tuple[int, int] | None = None
        self._closed = False
        self.picture = self._picture(0)
        self._size = self.picture.image.rgb.shape[:2]

    # --- which there are --------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._count

    @property
    def shown(self) -> Annotator:
        """The annotator of the plane shown."""
        return self[self.index]

    def __getitem__(self, index: int) -> Annotator:
        with self.lock:
            found = self._annotators.get(index)
            if found is None:
                found = self._annotators[index] = self._made(index)
            if index != self.index and self.index in self._annotators:
                found.session.take_over(self._annotators[self.index].session)
            return found

    def _made(self, index: int) -> Annotator:
        height, width = self._size
        return Annotator(
            self._images(index),
            Session(width, height, self._classes),
            device=self._device,
            changed=self._changed,
            settled=self._settled,
            lock=self.lock,
            epoch=index * EPOCHS,
            timings=self.timings,
            notices=self.notices,
        )

    def of_epoch(self, epoch: int) -> Annotator:
        """The annotator of the plane that a page saw; MessageError if there is none."""
        index = epoch // EPOCHS
        if index >= self._count:
            raise MessageError(f"there is no plane {index}: there are {self._count}")
        return self[index]

    def number(self, annotator: Annotator) -> int:
        """Number of an annotator's plane."""
        return annotator.epoch // EPOCHS

    @property
    def annotated(self) -> list[int]:
        """Numbers of the planes with objects."""
        with self.lock:
            found = [i for i, a in self._annotators.items() if a.session.annotation.objects]
        return sorted(found)

    # --- the model --------------------------------------------------------------------------------

    def load(self, model: ModelLike) -> None:
        """Load a model, for the plane shown at once, for the others when they are needed."""
        with self.lock:
            self._model = model
            self._asked += 1
            self.shown.engine.load(model)
            self._equipped[self.index] = self._asked

    def equipped(self, index: int) -> Annotator:
        """The annotator of a plane, with the model on its way."""
        annotator = self[index]
        with self.lock:
            if self._closed or self._equipped.get(index) == self._asked:
                return annotator
            model, note = self._loaded_model()
            annotator.engine.load(model, note=note)
            self._equipped[index] = self._asked
        return annotator

    def _loaded_model(self) -> tuple[ModelLike, str]:
        """The model as another plane has it already, else as the user has named it."""
        for index, asked in self._equipped.items():
            engine = self._annotators[index].engine
            if asked == self._asked and engine.answers is not None and not engine.loading:
                return engine.answers.predictor, engine.note
        return self._model, ""

    def close(self) -> None:
        """Let go: nothing is loaded, shown or waited for any more."""
        with self.lock:
            self._closed = True
            annotators = list(self._annotators.values())
        for annotator in annotators:
            annotator.engine.close()

    def let_go(self) -> None:
        """After `close`: keep what was answered, and nothing of the model."""
        self._model = "auto"
        for annotator in list(self._annotators.values()):
            annotator.engine.let_go()

    # --- turning to another -----------------------------------------------------------------------

    def checked(self, index: object) -> int:
        """Number of a plane, from the end if it is negative; ImageError if there is none."""
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        number = int(index) if whole else self._count  # type: ignore[call-overload]
        if not -self._count <= number < self._count:
            raise ImageError(
                f"there is no plane {index!r}: it must be a whole number within "
                f"0..{self._count - 1}"
            )
        return number % self._count

    def turn(self, index: int) -> None:
        """Show a plane, when it is read; ImageError if it cannot be."""
        with self.lock:
            self.wanted = None
        picture = self._picture(index)
        with self.lock:
            self._show(picture)
        self._after_turn()

    def turn_later(self, index: int, client: str = EVERYBODY) -> None:
        """Show a plane as soon as it is read, unless another is wanted by then.

        `client` is the page that is told if it cannot be read.
        """
        with self.lock:
            self.wanted = index
        # Not on this thread: clicks do not wait for a slow disk.
        worker.call_server(lambda: self._turn_to_wanted(client))

    def _turn_to_wanted(self, client: str) -> None:
        wanted = self.wanted
        if wanted is None or self._closed:
            return
        try:
            picture = None if wanted == self.index else self._picture(wanted)
        except Exception as error:  # noqa: BLE001 - logged
            log_failure(logger, f"plane {wanted} cannot be shown", error)
            self._give_up(wanted, error, client)
            return
        with self.lock:
            if wanted != self.wanted:
                return
            self.wanted = None
            if picture is not None:
                self._show(picture)
        self._after_turn()

    def _give_up(self, wanted: int, error: Exception, client: str) -> None:
        with self.lock:
            self.wanted = None if self.wanted == wanted else self.wanted
            self.notices.tell(f"{self.along} {wanted + 1} cannot be shown: {error}", client)
        self._changed()

    def _picture(self, index: int) -> ShownPlane:
        image = self._images(index)
        loaded = LoadedImage(image.rgb, image.values, image.name, image.record)
        loaded.rgb.setflags(write=False)
        view = encode_view(loaded.rgb)
        pyramid = Pyramid(loaded.rgb, max(view.view_width, view.view_height))
        return ShownPlane(index, loaded, view, pyramid)

    def _show(self, picture: ShownPlane) -> None:
        if picture.index == self.index:
            return
        before = self.shown
        # Its session takes over labels from the one shown: while that is still the plane before.
        _ = self[picture.index]
        self._ahead = 1 if picture.index > self.index else -1
        self.index, self.picture = picture.index, picture
        before.rest()
        self._turned()

    def _after_turn(self) -> None:
        self.equipped(self.index).after_edit()

    # --- the next one -----------------------------------------------------------------------------

    def prefetch(self) -> None:
        """Read and encode the plane that may come next, when nothing else is to be done."""
        with self.lock:
            following = self.index + self._ahead
            answers = self.shown.engine.answers
            task = (following, self._asked)
            if answers is None or not 0 <= following < self._count or self._prefetched == task:
                return
            self._prefetched = task
        predictor, image = answers.predictor, self._images(following)

        def encode() -> None:
            if not self._closed and abs(following - self.index) <= 1:
                embeddings.source(predictor, lambda: image.rgb)()

        def read() -> None:
            try:
                _ = image.rgb
                worker.of(predictor).submit_idle(lambda: _quietly(encode))
            except Exception as error:  # noqa: BLE001 - logged
                # It is told when the user turns to it.
                log_failure(logger, f"plane {following} cannot be read", error)

        threading.Thread(target=read, daemon=True).start()


def _quietly(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception as error:  # noqa: BLE001 - logged
        log_failure(logger, "the next plane could not be encoded", error)


def _images_of(image: LoadedImage | ImageStack) -> tuple[Callable[[int], ImageSource], int]:
    """A function that returns each plane, and how many there are."""
    if isinstance(image, ImageStack):
        planes: Sequence[LoadedImage] = image
        kept = KeptPlanes(planes)
        return lambda index: KeptPlane(kept, index), len(image)
    return lambda _: image, 1
