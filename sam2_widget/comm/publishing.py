"""Sends changes since the last message to pages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from weakref import WeakValueDictionary

from sam2_widget._utils.timers import DelayedCall
from sam2_widget.annotation.annotator import notice_about
from sam2_widget.annotation.planes import Planes
from sam2_widget.annotation.predictions import Prediction
from sam2_widget.annotation.session import AnnotatedObject
from sam2_widget.annotation.snapshots import Snapshot
from sam2_widget.comm import messages, wire
from sam2_widget.comm.lanes import LanePublisher
from sam2_widget.comm.pictures_ahead import PicturesAhead
from sam2_widget.comm.proposal_batches import ProposalPublisher
from sam2_widget.comm.proposals import ProposingTrait
from sam2_widget.comm.timeline import TrackingTrait
from sam2_widget.prompts.types import MaskPrompt, Stroke

Send: TypeAlias = Callable[[messages.KernelMessage, list[bytes]], None]


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
    set_tracking : callable
        Sets the trait ``_tracking``.
    set_proposing : callable
        Sets the trait ``_proposing``.
    publish_delayed : callable
        Calls `publish`, with the lock, on any thread: for what was found less than a moment after
        the last message.

    Attributes
    ----------
    state : dict
        The newest ``_state``.
    lanes : LanePublisher
        Publisher of the timeline.
    proposals : ProposalPublisher
        Publisher of proposals.
    ahead : PicturesAhead
        Sends pictures before they are shown.
    registry : wire.SentRegistry
        Strokes and masks that were sent to pages.
    prompts_by_key : mapping of str to Stroke or MaskPrompt
        Large prompts, to which pages refer by key; weakly referenced, as the history owns them.
    """

    def __init__(
        self,
        planes: Planes,
        ack: dict[str, int],
        *,
        send: Send,
        set_state: Callable[[messages.StateTrait], None],
        set_picture: Callable[[], None],
        set_tracking: Callable[[TrackingTrait], None],
        set_proposing: Callable[[ProposingTrait], None],
        publish_delayed: Callable[[], None],
    ) -> None:
        self._planes = planes
        self._ack = ack
        self._send = send
        self._set_state = set_state
        self._set_picture = set_picture
        self._plane = planes.index
        self._picture = planes.picture
        self._sent: dict[int, wire.ShownObject] = {}
        self._looks: object = None
        self.prompts_by_key: WeakValueDictionary[str, Stroke | MaskPrompt] = WeakValueDictionary()
        self.registry = wire.SentRegistry()
        self.lanes = LanePublisher(
            planes,
            send=send,
            set_tracking=set_tracking,
            publish_later=DelayedCall(publish_delayed, "sam2-widget-lanes"),
        )
        self.proposals = ProposalPublisher(
            planes,
            send=send,
            set_proposing=set_proposing,
            publish_later=DelayedCall(publish_delayed, "sam2-widget-proposed"),
        )
        self.ahead = PicturesAhead(planes, send)
        self._count = 0
        state = self._current_state(planes.shown.snapshot(), 0)
        self._known: messages.StateContent | None = state
        """The state that was sent last; None if pages may have missed parts of it."""
        self.state: messages.StateTrait = {**state, "revision": 0, "timing": None}

    def _current_state(self, snapshot: Snapshot, count: int) -> messages.StateContent:
        """The state, with the number of its last message of objects: a page notices a lost one."""
        annotator = self._planes.shown
        active = snapshot.annotation.active
        ids = [annotated.id for annotated, _ in snapshot.all_objects] if active else []
        for prompt in active.prompts if active else ():
            if isinstance(prompt, (Stroke, MaskPrompt)):
                self.prompts_by_key[prompt.key] = prompt
        return wire.state_message(
            annotator.session,
            snapshot.active_prediction,
            index=ids.index(active.id) if active and active.id in ids else len(ids),
            failed=annotator.active_failed,
            epoch=annotator.epoch,
            ack=self._ack,
            notice=notice_about(snapshot.active_prediction),
            notices=annotator.notices,
            plane=self._planes.index,
            pending_plane=self._planes.pending_plane,
            objects=count,
        )

    def publish(self) -> None:
        """Send what has changed; the caller holds the annotators' lock."""
        # Pages collect the objects of another plane, and show it when its state arrives.
        if self._plane != self._planes.index:
            self._begin()
        before, self._picture = self._picture, self._planes.picture
        picture_changed = before is not self._picture
        is_picture_there = picture_changed and self.ahead.shown(before, self._picture)
        # Taken once: a prediction may be finished at any moment.
        snapshot = self._planes.shown.snapshot()
        finished = self._finished(snapshot)
        sent, self._sent = self._sent, finished
        # Unchanged objects are identical, so that comparing 500 of them is cheap.
        put = {key for key, shown in finished.items() if sent.get(key) is not shown}
        drop = [key for key in sent if key not in finished]
        if list(sent) != list(finished):
            put |= out_of_order(list(sent), list(finished))
        placed = _placed(list(sent), finished, put) if put else []
        dropping = self._messages([], drop)
        # In this order an object that becomes active or finished is never missing in between.
        self._send_all(self._messages(placed))
        if picture_changed and not is_picture_there:
            self._set_picture()
        # Before the state that acknowledges what was done with them.
        self.proposals.publish()
        self._publish_state(snapshot, self._count + len(dropping))
        if is_picture_there:
            # Pages have it already: the large message must not delay the state that shows it.
            self._set_picture()
        self._send_all(dropping)
        self.lanes.publish()

    def _publish_state(self, snapshot: Snapshot, count: int) -> None:
        state = self._current_state(snapshot, count)
        if state == self._known:
            return
        self._known = state
        prediction = snapshot.active_prediction
        state = wire.strip_known(state, prediction.mask if prediction else None, self.registry)
        self.state = {**state, "revision": self.state["revision"] + 1, "timing": None}
        pending = bool(state["active"] and state["active"]["pending"])
        timing = None if pending else self._planes.timings.publishing()
        self._set_state({**self.state, "timing": timing})
        self._planes.timings.published()

    def _finished(self, snapshot: Snapshot) -> dict[int, wire.ShownObject]:
        """All objects but the active one, in their order."""
        looks = self._planes.shown.session.looks
        same_looks, self._looks = looks == self._looks, looks
        finished: dict[int, wire.ShownObject] = {}
        active = snapshot.annotation.active
        for annotated, prediction in snapshot.all_objects:
            sent = self._sent.get(annotated.id)
            # A fast comparison, because this runs for every object at every click.
            is_sent = sent and sent.annotated is annotated and sent.prediction is prediction
            if sent is None or not (same_looks and is_sent):
                sent = self._shown(annotated, prediction, sent)
            finished[annotated.id] = sent
        if active is not None:
            finished.pop(active.id, None)
        return finished

    def _shown(
        self,
        annotated: AnnotatedObject,
        prediction: Prediction | None,
        sent: wire.ShownObject | None,
    ) -> wire.ShownObject:
        """An object as pages must show it: `sent` itself if nothing has changed."""
        if prediction is None and sent and sent.annotated.prompts == annotated.prompts:
            # The old mask is shown until the prediction by another model or setting is finished.
            prediction = sent.prediction
        shown = wire.shown_object(self._planes.shown.session, annotated, prediction)
        return sent if sent is not None and sent.is_same_as(shown) else shown

    def publish_again(self, seen: int, seen_lanes: int = -1, seen_proposals: int = -1) -> None:
        """Send the state again, and all finished objects if the page has missed some.

        Parameters
        ----------
        seen, seen_lanes, seen_proposals : int
            Number of the last message of objects, of lanes, and of proposals, that the page has
            received without a gap; any other number requests all, as from a page that has just
            opened.
        """
        self.registry = wire.SentRegistry()
        self.ahead.forget()
        if seen == self._count:
            self._known = None
        else:
            self._begin()
        self.lanes.publish_again(seen_lanes)
        self.proposals.publish_again(seen_proposals)
        self.publish()

    def _begin(self) -> None:
        """Reset the objects of all pages."""
        self._plane = self._planes.index
        self._sent = {}
        # The points of its strokes must be sent again.
        self._known = None
        active = self._planes.shown.session.annotation.active
        self._send_all(self._messages([], reset=True, active=active))

    def _messages(
        self,
        put: Iterable[tuple[int, wire.ShownObject]],
        drop: Iterable[int] = (),
        *,
        reset: bool = False,
        active: AnnotatedObject | None = None,
    ) -> list[wire.ObjectsBatch]:
        plane, registry = self._plane, self.registry
        return wire.objects_messages(
            put, drop, plane=plane, registry=registry, reset=reset, active=active
        )

    def _send_all(self, batches: list[wire.ObjectsBatch]) -> None:
        for batch in batches:
            self._count += 1
            message = batch.numbered(self._count)
            self._send(message.content, message.buffers)


def out_of_order(before: Sequence[int], after: Sequence[int]) -> set[int]:
    """The smallest set of keys to move to bring the common ones into the order of `after`."""
    place = {key: index for index, key in enumerate(before)}
    both = [key for key in after if key in place]
    # The longest increasing subsequence of old places stays; it is found by patience sorting.
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
    """Each object to put, and its index in the page's list, `page`, at that moment."""
    placed: list[tuple[int, wire.ShownObject]] = []
    known = set(page)
    # The search starts behind the last object, so that adding thousands at once is fast.
    after = 0
    for key, shown in finished.items():
        if key not in put:
            after = page.index(key, after) + 1
            continue
        if key in known:
            was = page.index(key)
            page.pop(was)
            after -= was < after
        page.insert(after, key)
        placed.append((after, shown))
        after += 1
    return placed
