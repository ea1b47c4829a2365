"""The index of a video's frames: numbers that are known early stay what they are."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from sam2_widget.images.videos.frame_index import FrameIndex, PacketTimes


def packet(pts, dts, *, key=False, partial=False):
    return PacketTimes(pts, dts, key, partial)


@st.composite
def streams(draw):
    """Packets of groups of frames, in the order of decoding, as encoders write them."""
    packets, start = [], 0
    for _ in range(draw(st.integers(1, 6))):
        length = draw(st.integers(1, 8))
        times = [start + n for n in range(length)]
        rest = draw(st.permutations(times[1:]))
        packets += [(pts, pts == start) for pts in (start, *rest)]
        start += length
    delay = max(i - pts for i, (pts, _) in enumerate(packets))
    return [packet(pts, i - delay, key=key) for i, (pts, key) in enumerate(packets)]


def filled(packets, first=0):
    index = FrameIndex(first)
    index.take(packets)
    index._finish()
    return index


@given(streams())
def test_frames_are_numbered_in_the_order_of_presentation(packets):
    index = filled(packets)
    assert list(index.times()) == list(range(len(packets)))
    assert not index.by_order
    for n in range(len(packets)):
        keyframe = index.keyframes_before(n, 1)[0]
        assert keyframe.pts == max(p.pts for p in packets if p.is_keyframe and p.pts <= n)


@given(streams(), st.integers(0, 40))
def test_frame_numbers_do_not_change_later(packets, seen):
    index = FrameIndex(0)
    index.take(packets[:seen])
    early = list(index._pts)
    assert early == list(range(len(early)))
    index.take(packets[seen:])
    index._finish()
    assert list(index.times())[: len(early)] == early


def test_queries_wait_until_a_frame_is_indexed():
    index, found = FrameIndex(0), []
    thread = threading.Thread(target=lambda: found.append((index.has(2), index.has(3))))
    thread.start()
    index.take([packet(n, n, key=True) for n in range(2)])
    index.take([packet(2, 2, key=True)])
    index._finish()
    thread.join()
    assert found == [(True, False)]


def test_times_that_are_missing_repeated_or_reset_are_counted():
    keys = [packet(n, n, key=True) for n in range(4)]
    cases = {
        "missing": [*keys, packet(None, 4)],
        "repeated": [*keys, packet(3, 4)],
        "reset": [*keys, packet(0, 0, key=True)],
    }
    for packets in cases.values():
        index = filled(packets)
        assert index.by_order
        assert index.count() == 5


def test_a_packet_that_is_cut_off_is_left_out():
    packets = [packet(n, n, key=True, partial=n == 3) for n in range(4)]
    index = filled(packets)
    assert index.count() == 3
    assert index.is_damaged
    index = filled([*packets, packet(4, 4, key=True)])
    assert index.count() == 5


def test_frames_before_the_first_that_is_shown_are_left_out():
    packets = [packet(n, n, key=n == 0) for n in range(5)]
    index = filled(packets, first=2)
    assert list(index.times()) == [2, 3, 4]
    assert index.skipped == 2


def test_a_stream_without_marked_keyframes_is_counted():
    index = filled([packet(n, n) for n in range(5)])
    assert index.by_order
    assert index.count() == 5
