"""One image, its objects, and the model that answers: a widget without its page.

An edit changes the session at once; its answer is computed on the model's thread; after both, pages
are told. Edits come from the main thread or from ipykernel's subshell thread, so `lock` guards all
that they share; nothing slow happens under it, and nobody who holds it waits for another thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from sam2_widget.answers import Answer, Answers, without_model
from sam2_widget.engine import Engine, as_model_error
from sam2_widget.errors import PromptError, SegmentationError
from sam2_widget.images.arrays import ImageSource
from sam2_widget.interrupts import held_back
from sam2_widget.notices import EVERYBODY, Notices
from sam2_widget.predictor import UInt8Array
from sam2_widget.results import Segmentation, make_segmentation
from sam2_widget.session import AnnotatedObject, Annotation, Session
from sam2_widget.status import Status
from sam2_widget.timings import Click, Timings
from sam2_widget.weak import weakly

T = TypeVar("T")

_Basis: TypeAlias = tuple[Answers | None, tuple[int, int]]
"""What an answer depends on beside the prompts: the model, and the settings for cleaning."""

_Known: TypeAlias = dict[int, tuple[AnnotatedObject, Answer]]
"""Answers by an object's id, and the object as it was when it was answered."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """All answers to the objects of one annotation, those that were known when it was asked."""

    objects: tuple[AnnotatedObject, ...]
    known: _Known
    answers: tuple[Answer | None, ...]
    complete: bool


LEAVE = 0.001
"""Seconds that the model's thread rests when an answer leaves."""

EMPTY = "The mask is empty: click on the object, or undo."
WHOLE = "The mask covers the whole image: mark what is not part of the object, or undo."


class Annotator:
    """Objects of one image and their answers.

    Parameters
    ----------
    image : ImageSource
    session : Session
    device : str or None
        See `load_model`.
    changed : callable
        Called without arguments, on some thread, when a page may have to be told something.
    settled : callable
        The same when all objects have their answers.
    lock : threading.RLock, optional
        One that several annotators share.
    epoch : int
        Where its epochs begin.
    timings : Timings, optional
    notices : Notices, optional
        Those of several annotators.

    Attributes
    ----------
    lock : threading.RLock
    engine : Engine
    epoch : int
        Grows when the active object is replaced by something other than a page's prompts.
    timings : Timings
    notices : Notices
    """

    def __init__(
        self,
        image: ImageSource,
        session: Session,
        *,
        device: str | None,
        changed: Callable[[], None],
        settled: Callable[[], None],
        lock: threading.RLock | None = None,
        epoch: int = 0,
        timings: Timings | None = None,
        notices: Notices | None = None,
    ) -> None:
        self.image = image
        self.session = session
        self.lock = lock or threading.RLock()
        self.epoch = epoch
        self.timings = timings or Timings()
        self.notices = notices or Notices()
        self._changed = changed
        self._settled = settled
        self._known: tuple[_Basis, _Known] = ((None, (0, 0)), {})
        self._listed = _Listed((), {}, (), complete=True)
        self._failed: AnnotatedObject | None = None
        self._result: tuple[Answers, Annotation, Segmentation] | None = None
        size = (session.height, session.width)
        self.engine = Engine(image, size, device=device, changed=weakly(self._engine_changed))

    @property
    def rgb(self) -> UInt8Array:
        """The image as shown and as the model sees it, (H, W, 3) uint8."""
        return self.image.rgb

    # --- edits ------------------------------------------------------------------------------------

    def edit(self, change: Callable[[], T]) -> T:
        """Change the session from Python."""
        with held_back():
            with self.lock:
                result = change()
                self.epoch += 1
            self.after_edit()
        return result

    def configure(self, change: Callable[[], object]) -> None:
        """Change from Python what objects look like and may be called: no edit of any object."""
        with held_back():
            with self.lock:
                change()
                self._result = None
            self.after_edit()

    def rest(self) -> None:
        """Let go of what can be had again, for others are looked at now."""
        self._result = None

    def after_edit(self, *, answer_follows: bool = False) -> None:
        """Publish what is known, and have the model answer the rest.

        `answer_follows` saves a message where the page knows already what it has asked for.
        """
        self._failed = None
        self.engine.try_again()
        pending = self.pending()
        answer_is_near = answer_follows and pending and self.engine.status.phase == "ready"
        if not answer_is_near:
            self._changed()
        if pending:
            self._answer_later()
        else:
            self.engine.recovered()
            self._settled()

    def id_of(self, i: int) -> int:
        """Id of ``objects[i]``; PromptError if there is none."""
        objects = self.session.annotation.objects
        try:
            return objects[i].id
        except (IndexError, TypeError, AttributeError) as error:
            raise PromptError(f"there is no object {i!r}: there are {len(objects)}") from error

    # --- what there is to say ---------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What is going on."""
        status = self.engine.status
        if status.phase == "ready" and self.pending():
            return Status("predicting", "Predicting", None, status.model, status.device)
        return status

    @property
    def notice(self) -> str:
        """What the user must know about the mask that came of the newest edit."""
        active = self.session.annotation.active
        answer = active and self.answered(active)
        if not answer:
            return ""
        return EMPTY if answer.mask.empty else WHOLE if answer.mask.whole else ""

    def complain(self, notice: str, client: str = EVERYBODY) -> None:
        """Tell a page, or all, of something that went wrong beside an edit."""
        with self.lock:
            self.notices.tell(notice, client)
        self._changed()

    @property
    def active_failed(self) -> bool:
        """Whether no answer to the active object is on its way."""
        active = self.session.annotation.active
        return active is not None and (active is self._failed or self.engine.hopeless)

    # --- answers, on the model's thread -----------------------------------------------------------

    def answered(self, annotated: AnnotatedObject) -> Answer | None:
        """The answer to an object if it is known."""
        known = self._known_now()
        kept = known.get(annotated.id)
        if kept is not None and kept[0] is annotated:
            return kept[1]
        prompts, settings = annotated.prompts, self.session.annotation.settings
        answers = self.engine.answers
        answer = answers.known(prompts, settings) if answers else without_model(prompts)
        if answer is not None:
            known[annotated.id] = (annotated, answer)
        return answer

    def all_answered(self, objects: tuple[AnnotatedObject, ...]) -> tuple[Answer | None, ...]:
        """The answers to all objects, as far as they are known.

        A click asks this some eight times: beside 500 others it must cost nothing.
        """
        known = self._known_now()
        last = self._listed
        if last.objects is objects and last.known is known:
            if last.complete:
                return last.answers
            pairs = zip(objects, last.answers, strict=True)
            found = tuple(self.answered(one) if had is None else had for one, had in pairs)
        else:
            found = tuple(self.answered(one) for one in objects)
        # As a whole: another thread may be here, too.
        self._listed = _Listed(objects, known, found, complete=not any(a is None for a in found))
        return found

    def _known_now(self) -> _Known:
        """What the model there is has said, under the settings that hold."""
        answers, cleaning = self.engine.answers, self.session.annotation.settings.cleaning
        basis, known = self._known
        if basis[0] is not answers or basis[1] != cleaning:
            basis, known = self._known = ((answers, cleaning), {})
        return known

    def pending(self) -> list[AnnotatedObject]:
        """Objects without an answer, the one being worked on first."""
        annotation = self.session.annotation
        objects = annotation.objects
        answers = self.all_answered(objects)
        listed = self._listed  # once: another thread may put a newer one in its place
        if listed.complete and listed.answers is answers:
            return []
        found = [o for o, answer in zip(objects, answers, strict=True) if answer is None]
        return sorted(found, key=lambda o: o.id != annotation.active_id)

    def _answer_later(self) -> None:
        if self.engine.answers is not None:
            self.engine.worker.submit(self._answer_next)

    def _answer_next(self) -> None:
        """Answer one object and publish it; others, of other widgets too, have their turn between.

        It sees the newest edits, so a turn that came too late for its own finds nothing to do. Nor
        does what comes from a model when another one, on another thread, has been asked by then.
        """
        click, pending = self.timings.unanswered, self.pending()
        if self.engine.closed:
            return
        if not self.engine.worker.here:
            self._answer_later()
            return
        try:
            if pending:
                annotated = pending[0]
                self.engine.ask(lambda answers: self._answer(answers, annotated, click))
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach the user
            if self.engine.worker.here:
                self._failed = pending[0]
                self.engine.failed(error)
                self._changed()
            return
        if not self.engine.worker.here:
            return
        self.engine.recovered()
        self._changed()
        # Python changes threads every 5 ms only: the one that sends the answer shall not wait.
        time.sleep(LEAVE)
        if self.pending():
            self._answer_later()
        else:
            self._settled()

    def _answer(self, answers: Answers, annotated: AnnotatedObject, click: Click | None) -> None:
        """Have the answer to an object, and note what it cost that click."""
        before = answers.seconds
        if click is not None:
            click.start(model=answers.waited(annotated.prompts, click.received))
        answers(annotated.prompts, self.session.annotation.settings)
        if click is not None and self.engine.worker.here:
            click.decoder += answers.seconds - before

    def current_result(self) -> Segmentation:
        """The segmentation of the newest edits; waits for it."""
        while True:
            answers, annotation = self.engine.wait(), self.session.annotation
            kept = self._result  # once: another thread may put a newer one in its place
            if kept and kept[0] is answers and _same(kept[1], annotation):
                return kept[2]
            make = partial(self._make, annotation)
            try:
                by, made = self.engine.worker.run(partial(self.engine.ask, make))
            except Exception as error:
                if answers is not self.engine.answers:
                    continue  # another model is there by now
                if isinstance(error, SegmentationError):
                    raise
                raise as_model_error(error) from error
            if by is self.engine.answers:
                self._result = (by, annotation, made)
                return made

    def _make(self, annotation: Annotation, answers: Answers) -> Segmentation:
        return make_segmentation(self.session, answers, annotation=annotation, image=self.image)

    def _engine_changed(self) -> None:
        """The engine has a new status or a new model."""
        kept = self._result
        if kept and kept[0] is not self.engine.answers:
            self._result = None  # which would keep the model before
        # After an error nothing is on its way: what has failed is tried again at the next edit.
        if self.engine.status.phase == "error" and self.engine.answers is not None:
            self._failed = next(iter(self.pending()), None)
        self._changed()
        if self.engine.status.phase == "ready":
            self._answer_later()


def _same(a: Annotation, b: Annotation) -> bool:
    return a.objects is b.objects and a.settings == b.settings
