"""Read pickles of arrays without executing any code in them.

A pickle is a program that imports functions and calls them. Here each import is replaced by a stub
that only records its arguments. Only the names that NumPy uses for arrays and numbers are allowed;
any other name is an error. Arrays are created after their shapes and sizes have been checked.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_widget._utils.text import shown
from sam2_widget.errors import AnnotationError

MAX_STEPS = 1_000_000
"""Largest number of opcodes in a pickle; Cellpose writes a few hundred for an image."""

REFUSED = {"NEXT_BUFFER", "READONLY_BUFFER", "PERSID", "BINPERSID"} | {
    *("EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX")
}
"""Opcodes that NumPy does not need for arrays and that could load or call other objects."""


def unpickle(data: bytes, name: str) -> Any:
    """Load a pickle of arrays, numbers, strings, lists and dicts.

    Raises
    ------
    AnnotationError
        If it is broken, or holds other objects; these are never created.
    """
    _check_steps(data, name)
    return _resolved(_Unpickler(io.BytesIO(data), name).load())


def _check_steps(data: bytes, name: str) -> None:
    for number, (step, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
        if number >= MAX_STEPS:
            raise AnnotationError(
                f"{name} holds a pickle of more than {MAX_STEPS} instructions: save the masks with "
                "np.save(path, masks)"
            )
        far = step.name == "LONG_BINPUT" and isinstance(argument, int) and argument > MAX_STEPS
        if step.name in REFUSED or far:
            raise AnnotationError(
                f"{name} holds a pickle with the instruction {step.name}, which arrays do not "
                "need: it is not loaded; save the masks with np.save(path, masks)"
            )


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str) -> Any:
        key = module.replace("numpy._core", "numpy.core"), name
        if key not in ALLOWED_NAMES:
            raise AnnotationError(
                f"{self._name} holds a pickled Python object, {shown(f'{module}.{name}')}: such "
                "files can execute code, so it is not loaded; save the masks with "
                "np.save(path, masks)"
            )
        return _FunctionStub(ALLOWED_NAMES[key])


class _FunctionStub:
    """Replaces a function that a pickle imports; calling it only records the arguments."""

    __slots__ = ("_kind",)

    def __init__(self, kind: type[_RecordedCall] | None) -> None:
        self._kind = kind

    def __call__(self, *arguments: Any) -> _RecordedCall:
        if self._kind is None:
            raise AnnotationError("a pickle creates an array differently than NumPy does")
        return self._kind(arguments)

    def __setstate__(self, state: object) -> None:
        raise AnnotationError("a pickle sets the state of a function, which NumPy never does")


class _RecordedCall:
    """A function call in a pickle: its arguments, and the state that is set on its result."""

    __slots__ = ("arguments", "state")

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def value(self) -> Any:
        """The result of the call, created from the recorded arguments."""
        return None


class _DType(_RecordedCall):
    __slots__ = ()

    def value(self) -> np.dtype[Any]:
        code = self.arguments[0] if self.arguments else None
        if not isinstance(code, str) or not 2 <= len(code) <= 4 or code[0] not in "biufcOUS":  # noqa: PLR2004
            raise AnnotationError(
                f"a pickle must hold arrays of numbers or strings, got the dtype {shown(code)}"
            )
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "|"
        if order == ">":
            return np.dtype(f">{code}")
        return np.dtype(f"<{code}") if order == "<" else np.dtype(code)


class _Array(_RecordedCall):
    """``_reconstruct(ndarray, (0,), b"b")``; the content of the array is its state."""

    __slots__ = ()

    def value(self) -> npt.NDArray[Any]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:  # noqa: PLR2004
            raise AnnotationError("a pickle holds an array without content")
        _, shape, dtype, is_fortran, data = self.state
        return _array(shape, dtype, data, "F" if is_fortran else "C")


class _Buffer(_RecordedCall):
    """``_frombuffer(bytes, dtype, shape, order)``."""

    __slots__ = ()

    def value(self) -> npt.NDArray[Any]:
        data, dtype, shape, order = self.arguments
        return _array(shape, dtype, data, order)


class _Scalar(_RecordedCall):
    """``scalar(dtype, bytes)``."""

    __slots__ = ()

    def value(self) -> Any:
        return _array((), self.arguments[0], self.arguments[1], "C")[()]


class _Encoded(_RecordedCall):
    """``encode(text, "latin1")``, which old pickle protocols use for bytes."""

    __slots__ = ()

    def value(self) -> bytes | None:
        text, codec = (*self.arguments, None, None)[:2]
        return text.encode("latin-1") if isinstance(text, str) and codec == "latin1" else None


def _array(shape: Any, dtype: Any, data: Any, order: Any) -> npt.NDArray[Any]:
    kind = dtype.value() if isinstance(dtype, _DType) else None
    sides = shape if isinstance(shape, tuple) else (-1,)
    if kind is None or order not in ("C", "F") or not all(_is_dimension(side) for side in sides):
        raise AnnotationError("a pickle holds an array with an invalid dtype, shape or order")
    if kind.hasobject:  # an array of objects, e.g. lists; Cellpose has one for each plane
        return np.array(None)
    data = data.value() if isinstance(data, _Encoded) else data
    if not isinstance(data, (bytes, bytearray)) or len(data) != math.prod(sides) * kind.itemsize:
        raise AnnotationError("a pickle holds an array whose data do not match its shape")
    return np.frombuffer(data, kind).reshape(sides, order="C" if order == "C" else "F")


def _is_dimension(side: object) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and side >= 0


def _resolved(value: Any) -> Any:
    """The top-level value, and those of a dict, with recorded calls replaced by their results."""
    if isinstance(value, _Array) and isinstance(value.state, tuple) and len(value.state) == 5:  # noqa: PLR2004
        content = value.state[4]
        if isinstance(content, list) and len(content) == 1:  # how np.save stores a dict
            return _resolved(content[0])
    if isinstance(value, dict):
        return {
            key: one.value() if isinstance(one, _RecordedCall) else one
            for key, one in value.items()
        }
    return value.value() if isinstance(value, _RecordedCall) else value


ALLOWED_NAMES: dict[tuple[str, str], type[_RecordedCall] | None] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy.core.numeric", "_frombuffer"): _Buffer,
    ("_codecs", "encode"): _Encoded,
    # File names in Cellpose's files, which are not needed.
    ("pathlib", "PosixPath"): _RecordedCall,
    ("pathlib", "WindowsPath"): _RecordedCall,
    ("pathlib", "PurePosixPath"): _RecordedCall,
    ("pathlib", "PureWindowsPath"): _RecordedCall,
}
"""Names that a pickle may import, in the spelling of NumPy 1, and the class of their results."""
