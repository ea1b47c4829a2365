"""What pages have been told, and what they must be told next."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from sam2_widget.answers import Answer
from sam2_widget.comm import wire
from sam2_widget.kinds import MaskPrompt, Stroke
from sam2_widget.planes import Planes
from sam2_widget.session import AnnotatedObject

Send: TypeAlias = Callable[[dict[str, Any], list[bytes]], None]


class Publisher:
    """Brings all pages of a widget up to date, and sends only what has changed.

    Parameters
    ----------
    planes : Planes
    ack : dict of str to int
        Newest request applied, by client.
    send : callable
        Sends a custom message: content and buffers.
    set_state : callable
        Sets the trait ``_state``.
    set_picture : callable
        Sets the trait ``_image`` to the plane shown.

    Attributes
    ----------
    state : dict
        The newest ``_state``.
    told : wire.Told
        Strokes and masks that pages have got.
    heavy : mapping of str to Stroke or MaskPrompt
        By their keys, the prompts that pages know by key; as long as the history holds them.
    """

    def __init__(
        self,
        planes: Planes,
        ack: dict[str, int],
        *,
        send: Send,
        set_state: Callable[[dict[str, Any]], None],
        set_picture: Callable[[], None],
    ) -> None:
        self._planes = planes
        self._ack = ack
        self._send = send
        self._set_state = set_state
        self._set_picture = set_picture
        self._plane = planes.index
        self._sent: dict[int, wire.ShownObject] = {}
        self._looks: object = None
        self.heavy: WeakValueDictionary[str, Stroke | MaskPrompt] = WeakValueDictionary()
        self.told = wire.Told()
        self._count = 0
        self._known = self._current_state(self._active_answer(), 0)
        self.state = {**self._known, "revision": 0}

    def _active_answer(self) -> Answer | None:
        """The answer to the active object: not twice for one state, it may come at any moment."""
        annotator = self._planes.shown
        active = annotator.session.annotation.active
        return annotator.answered(active) if active else None

    def _current_state(self, answer: Answer | None, count: int) -> dict[str, Any]:
        """The state, and how many messages of objects belong to it: a page misses a lost one."""
        annotator = self._planes.shown
        active = annotator.session.annotation.active
        for prompt in active.prompts if active else ():
            if isinstance(prompt, (Stroke, MaskPrompt)):
                self.heavy[prompt.key] = prompt
        state = wire.state_message(
            annotator.session,
            answer,
            failed=annotator.active_failed,
            epoch=annotator.epoch,
            ack=self._ack,
            notice=annotator.notice,
            notices=annotator.notices,
            plane=self._planes.index,
            turning=self._planes.wanted,
        )
        return {**state, "objects": count}

    def publish(self) -> None:
        """Send what has changed; the caller holds the annotators' lock."""
        # Pages put together what is told of another plane, and show it when its state is there.
        turned = self._plane != self._planes.index
        if turned:
            self._begin()
        finished = self._finished()
        sent, self._sent = self._sent, finished
        # What has not changed is the same object: 500 others cost next to nothing.
        put = {key for key, shown in finished.items() if sent.get(key) is not shown}
        drop = [key for key in sent if key not in finished]
        if list(sent) != list(finished):
            put |= out_of_order(list(sent), list(finished))
        placed = _placed(list(sent), finished, put) if put else []
        dropping = self._messages([], drop)
        # In this order an object on its way from one place to the other is never in neither.
        self._send_all(self._messages(placed))
        if turned:
            self._set_picture()
        self._publish_state(self._count + len(dropping))
        self._send_all(dropping)

    def _publish_state(self, count: int) -> None:
        answer = self._active_answer()
        state = self._current_state(answer, count)
        if state == self._known:
            return
        self._known = state
        state = wire.as_told(state, answer.mask if answer else None, self.told)
        self.state = {**state, "revision": self.state["revision"] + 1}
        answered = not (state["active"] and state["active"]["pending"])
        # Beside what is compared: no clock makes a state another one.
        timing = self._planes.timings.publishing() if answered else None
        self._set_state({**self.state, "timing": timing} if timing else self.state)
        self._planes.timings.published()

    def _finished(self) -> dict[int, wire.ShownObject]:
        """All objects but the active one, in their order."""
        annotator = self._planes.shown
        session = annotator.session
        annotation, looks = session.annotation, session.looks
        same_looks, self._looks = looks == self._looks, looks
        finished: dict[int, wire.ShownObject] = {}
        answers = annotator.all_answered(annotation.objects)
        for annotated, answer in zip(annotation.objects, answers, strict=True):
            sent = self._sent.get(annotated.id)
            # The quick way: this is asked of every object at every click.
            if not (same_looks and sent and sent.annotated is annotated and sent.answer is answer):
                sent = self._shown(annotated, answer, sent)
            finished[annotated.id] = sent
        if annotation.active_id is not None:
            finished.pop(annotation.active_id, None)
        return finished

    def _shown(
        self,
        annotated: AnnotatedObject,
        answer: Answer | None,
        sent: wire.ShownObject | None,
    ) -> wire.ShownObject:
        """What pages must know of an object now: `sent` itself if that is what they know."""
        if answer is None and sent and sent.annotated.prompts == annotated.prompts:
            answer = sent.answer  # no flash while another model or setting is at work
        shown = wire.shown_object(self._planes.shown.session, annotated, answer)
        return sent if sent is not None and sent.says_the_same(shown) else shown

    def publish_again(self, seen: int) -> None:
        """Send the state anew, and all finished objects to a page that has not seen all of them.

        Parameters
        ----------
        seen : int
            Number of the last message of objects that the page has got, if it missed none; else
            any other, as from a page that has just opened.
        """
        self.told = wire.Told()
        if seen == self._count:
            # Not equal to any state, as in `_begin`.
            self._known = {}
        else:
            self._begin()
        self.publish()

    def _begin(self) -> None:
        """Have pages forget the objects that they know."""
        self._plane = self._planes.index
        self._sent = {}
        # Not equal to any state: the points of its strokes must be sent again.
        self._known = {}
        self._send_all(self._messages([], reset=True))

    def _messages(
        self,
        put: Iterable[tuple[int, wire.ShownObject]],
        drop: Iterable[int] = (),
        *,
        reset: bool = False,
    ) -> list[wire.CustomMessage]:
        return wire.objects_messages(put, drop, plane=self._plane, told=self.told, reset=reset)

    def _send_all(self, messages: list[wire.CustomMessage]) -> None:
        for message in messages:
            self._count += 1
            self._send({**message.content, "n": self._count}, message.buffers)


def out_of_order(before: Sequence[int], after: Sequence[int]) -> set[int]:
    """The fewest of `after` that must be moved to bring what both have into its order."""
    place = {key: index for index, key in enumerate(before)}
    both = [key for key in after if key in place]
    # The longest ascending run of old places stays; each pile ends with the lowest place so far.
    ends: list[int] = []
    piles: list[int] = []
    for key in both:
        pile = bisect_left(ends, place[key])
        ends[pile : pile + 1] = [place[key]]
        piles.append(pile)
    stays, wanted = set[int](), len(ends) - 1
    for key, pile in zip(reversed(both), reversed(piles), strict=True):
        if pile == wanted:
            stays.add(key)
            wanted -= 1
    return set(both) - stays


def _placed(
    page: list[int], finished: Mapping[int, wire.ShownObject], put: set[int]
) -> list[tuple[int, wire.ShownObject]]:
    """Each object to put, and where in the page's list, `page`, it belongs at that moment."""
    placed: list[tuple[int, wire.ShownObject]] = []
    before: int | None = None
    for key, shown in finished.items():
        if key in put:
            if key in page:
                page.remove(key)
            index = 0 if before is None else page.index(before) + 1
            page.insert(index, key)
            placed.append((index, shown))
        before = key
    return placed
