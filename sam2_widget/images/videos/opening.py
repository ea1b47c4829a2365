"""Opens video files as file objects, so that libav itself opens no file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from sam2_widget.errors import ImageError, MissingLibraryError
from sam2_widget.images.opening import ImageFile
from sam2_widget.images.videos.containers import START, container_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MAX_FRAME_PIXELS: Final = 8192 * 8192
"""Pixels of the largest frame: decoders keep some twenty frames in memory."""

BUFFER: Final = 2**18
"""Bytes that are read at a time."""

THREADS: Final = 4
"""Largest number of threads of a decoder; each keeps another frame in memory."""

INSTALL = "run `pip install 'sam2-widget[video]'`"

CONVERT = "convert it, e.g. by `ffmpeg -i FILE -c:v libx264 -crf 18 film.mp4`"


def is_video(file: ImageFile) -> bool:
    """Whether a file has the container of a video, by its first bytes; it may have sound only."""
    return container_of(file.start(START)) is not None


def pyav() -> Any:
    """The module ``av``; MissingLibraryError with the command to install it if it is missing."""
    try:
        return import_module("av")
    except ImportError as error:
        raise MissingLibraryError(
            f"PyAV, which reads videos, is not installed: {INSTALL}"
        ) from error


@dataclass(frozen=True, slots=True, eq=False)
class OpenVideo:
    """An open video file. Not thread-safe.

    Attributes
    ----------
    container : av.container.InputContainer
    stream : av.video.stream.VideoStream
        The video stream.
    file : binary file
        The file object that the container reads.
    identity : tuple of int
        Equal if the file is unchanged when it is opened again.
    """

    container: InputContainer
    stream: VideoStream
    file: BinaryIO
    identity: tuple[int, ...]

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets of the video stream from the present position; the last one is empty."""
        return self.container.demux(self.stream)

    def close(self) -> None:
        """Close the file; may be called twice.

        The threads of the decoder are waited for here, where PyAV releases the GIL. PyAV holds it
        when it frees a decoder: a thread that logs an error, for which it needs the GIL, would
        block that for ever. torchvision 0.20 has PyAV log to Python.
        """
        if self.stream.codec_context is not None:
            self.stream.codec_context.flush_buffers()
        self.container.close()
        self.file.close()


def open_video(file: ImageFile) -> OpenVideo:
    """Open the video stream of a file.

    Raises
    ------
    ImageError
        If it is broken, has no pictures, or PyAV has no decoder for them.
    MissingLibraryError
        If PyAV is not installed.
    """
    av = pyav()
    stream = file.open()
    try:
        container = _container(av, file, stream)
        try:
            pictures = _pictures(file, container)
        except BaseException:
            container.close()
            raise
    except BaseException:
        stream.close()
        raise
    return OpenVideo(container, pictures, stream, _identity(stream))


def _container(av: Any, file: ImageFile, stream: BinaryIO) -> InputContainer:
    try:
        container: InputContainer = av.open(
            stream,
            format=container_of(file.start(START)),
            options={"max_pixels": str(MAX_FRAME_PIXELS)},
            container_options={"protocol_whitelist": "none"},
            buffer_size=BUFFER,
            metadata_errors="replace",
            io_open=_refuse,
        )
    except ImageError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise ImageError(
            f"{video_name(file)} is broken or incomplete, copy or download it again, or play it in "
            f"another program ({_reason(error)})"
        ) from error
    return container


def _refuse(url: str, *_: object) -> Any:
    """Raise an error instead of opening a file that a video refers to."""
    raise ImageError(f"the video refers to another file, {url!r}, which is not opened")


def _pictures(file: ImageFile, container: InputContainer) -> VideoStream:
    cover = pyav().stream.Disposition.attached_pic  # of a song, e.g.
    found = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not found:
        what = "only sound" if container.streams.audio else "no pictures"
        raise ImageError(f"{video_name(file)} has {what}: pass a video with pictures")
    best = container.streams.best("video")
    stream: VideoStream = best if best in found else found[0]
    _check_decoder(file, stream)
    return stream


def _check_decoder(file: ImageFile, stream: VideoStream) -> None:
    if stream.codec_context is None:
        raise ImageError(
            f"{video_name(file)} has a codec for which this PyAV has no decoder: {CONVERT}"
        )
    context = stream.codec_context
    if context.width * context.height > MAX_FRAME_PIXELS:
        raise ImageError(
            f"{video_name(file)} has frames of {context.width} x {context.height} pixels, the "
            f"limit is {MAX_FRAME_PIXELS / 1e6:.0f} megapixels: scale it down"
        )
    context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    context.thread_type = "AUTO"
    context.thread_count = min(THREADS, os.cpu_count() or 1)


def _identity(stream: BinaryIO) -> tuple[int, ...]:
    """Identity of a file on disk; files in memory cannot change."""
    try:
        found = os.fstat(stream.fileno())
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def video_name(file: ImageFile) -> str:
    """Name of a video in messages."""
    return str(file).replace("the image", "the video", 1)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
