"""Segment images by clicking in a notebook cell: SAM 2 over the Jupyter comm.

>>> from sam2_widget import SegmentWidget
>>> w = SegmentWidget("photo.jpg")  # doctest: +SKIP

torch and sam2 are imported when a model is loaded, in the background, not here.
"""

from sam2_widget.ahead import Precomputed, precompute, prefetch
from sam2_widget.errors import (
    AnnotationError,
    CheckpointError,
    ClosedError,
    ClusterError,
    DeviceError,
    DownloadError,
    ExistsError,
    ExportError,
    ImageError,
    LabelError,
    LossWarning,
    MessageError,
    MissingLibraryError,
    ModelError,
    OutOfMemoryError,
    PromptError,
    RepairWarning,
    SegmentationError,
    SettingError,
    UnknownModelError,
)
from sam2_widget.export.read import read_masks
from sam2_widget.export.values import LabeledMask, LabeledMasks
from sam2_widget.headless import segment
from sam2_widget.images.arrays import LoadedImage
from sam2_widget.images.sources import load_image
from sam2_widget.images.stacks import ImageStack
from sam2_widget.memory import Memory, ModelMemory, memory
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import available_models, load_model
from sam2_widget.models.ray_predictor import ray_model
from sam2_widget.predictor import Candidates, Embedding, Predictor, PromptArrays
from sam2_widget.prompts import (
    Box,
    Choice,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    Scribble,
    Stroke,
)
from sam2_widget.provenance import Provenance
from sam2_widget.resources import Resources, configure
from sam2_widget.results import Segmentation, SegmentedObject
from sam2_widget.settings import Settings
from sam2_widget.stack_prompts import StackPrompts
from sam2_widget.status import Status
from sam2_widget.widget import SegmentWidget

__version__ = "0.1.0.dev0"

__all__ = [
    "AnnotationError",
    "Box",
    "Candidates",
    "CheckpointError",
    "Choice",
    "ClosedError",
    "ClusterError",
    "DeviceError",
    "DownloadError",
    "Embedding",
    "ExistsError",
    "ExportError",
    "ImageError",
    "ImageStack",
    "LabelError",
    "LabeledMask",
    "LabeledMasks",
    "LoadedImage",
    "LossWarning",
    "MaskPrompt",
    "Memory",
    "MessageError",
    "MissingLibraryError",
    "ModelError",
    "ModelMemory",
    "ObjectPrompts",
    "OutOfMemoryError",
    "Point",
    "Precomputed",
    "Predictor",
    "PromptArrays",
    "PromptError",
    "Prompts",
    "Provenance",
    "RepairWarning",
    "Resources",
    "Scribble",
    "SegmentWidget",
    "Segmentation",
    "SegmentationError",
    "SegmentedObject",
    "SettingError",
    "Settings",
    "StackPrompts",
    "Status",
    "Stroke",
    "UnknownModelError",
    "available_models",
    "configure",
    "embeddings",
    "load_image",
    "load_model",
    "memory",
    "precompute",
    "prefetch",
    "ray_model",
    "read_masks",
    "segment",
]
