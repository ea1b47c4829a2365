"""The exceptions of this package.

::

    SegmentationError
    ├── ImageError              also ValueError: the image cannot be shown or segmented
    ├── PromptError             also ValueError: a point, box or list of prompts makes no sense
    ├── LabelError              also ValueError: a label that is not one of the labels given
    ├── SettingError            also ValueError: a setting that does not exist, or has no such value
    ├── MessageError            also ValueError: a message from the browser is malformed
    ├── ExportError             also OSError: a result cannot be written
    │   └── ExistsError         also FileExistsError: there is a file, and it was not to be replaced
    ├── AnnotationError         also ValueError: masks or annotations that cannot be read
    ├── MissingLibraryError     also ImportError: an optional library is not installed
    ├── ClosedError             also RuntimeError: the widget was closed
    ├── LockedError             also RuntimeError: somebody else works on the annotations of a set
    └── ModelError              also RuntimeError: no masks can be had from the model
        ├── UnknownModelError   also ValueError: no model of that name
        ├── DownloadError       the hub or the file on it cannot be reached
        ├── CheckpointError     the file is broken or of another architecture
        ├── DeviceError         the device is not there or cannot be used
        │   └── OutOfMemoryError   its memory does not suffice
        └── ClusterError        the cluster is out of reach, full, or does not answer in time
            └── TrackLostError  it no longer holds what a track goes on with
"""

from __future__ import annotations


class SegmentationError(Exception):
    """Base of all errors that this package raises on purpose."""


class ImageError(SegmentationError, ValueError):
    """The image cannot be read, shown or segmented."""


class PromptError(SegmentationError, ValueError):
    """A prompt is malformed, outside the image or out of place."""


class LabelError(SegmentationError, ValueError):
    """A label is not text, or not one of the labels that were given."""


class SettingError(SegmentationError, ValueError):
    """A setting does not exist or cannot have that value."""


class MessageError(SegmentationError, ValueError):
    """A message from the browser does not have the agreed form."""


class ExportError(SegmentationError, OSError):
    """The result cannot be written to where it should go."""


class ExistsError(ExportError, FileExistsError):
    """There is such a file already, and `overwrite` was not given."""


class AnnotationError(SegmentationError, ValueError):
    """A file or value with masks cannot be read, or does not fit the image."""


class MissingLibraryError(SegmentationError, ImportError):
    """An optional library is needed for this and not installed."""


class ClosedError(SegmentationError, RuntimeError):
    """The widget was closed before the answer was there."""


class LockedError(SegmentationError, RuntimeError):
    """Another kernel works on the annotations of a set."""


class ModelError(SegmentationError, RuntimeError):
    """The model cannot be loaded or did not answer."""

    hint = "Pick another model, such as w.model = 'bundled' or w.model = 'tiny'."
    """The way out, for the user of a widget."""


class UnknownModelError(ModelError, ValueError):
    """The name is neither a known model, nor a hub id, nor a file."""


class DownloadError(ModelError):
    """The checkpoint cannot be fetched from the hub."""

    hint = "Use the model that needs no download: w.model = 'bundled'. Or pass a checkpoint's path."


class CheckpointError(ModelError):
    """The checkpoint is broken, or does not fit any known architecture."""


class DeviceError(ModelError):
    """The device does not exist here, or cannot be used."""

    hint = "Pick a smaller model: w.model = 'tiny'."


class OutOfMemoryError(DeviceError):
    """The memory of the device does not suffice."""


class ClusterError(ModelError):
    """The cluster with the model is out of reach, full, or does not answer in time."""

    hint = "Click again in a moment, or use a model of this kernel: w.model = 'bundled'."


class TrackLostError(ClusterError):
    """The cluster no longer holds what a track goes on with; it goes on from its last mask."""


class LossWarning(UserWarning):
    """What was written keeps less than the result has; the message names what is lost."""


class RepairWarning(UserWarning):
    """What was read had faults; the message lists what was repaired or left out."""
