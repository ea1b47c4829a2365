"""The entries of the registry of formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row of the table of formats in the documentation.

    Attributes
    ----------
    title : str
        Name of the format.
    call : str
        Python code that writes it, e.g. ``to_coco``.
    keeps, loses : str
        What of a result can be read back from the file, and what cannot.
    checked_with : str
        Programs and libraries that read the format in the tests.
    test : str
        ``file::function`` of the test that does so.
    is_read : bool
        Whether this package can read the format.
    """

    title: str
    call: str
    keeps: str
    loses: str = ""
    checked_with: str = ""
    test: str = ""
    is_read: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class MenuItem:
    """A button of the menu of files, and the file that it writes.

    Attributes
    ----------
    label, hint : str
        Text and explanation of the button.
    type : str
        Type of the file as shown on the button, e.g. ``"json"``.
    ending : str
        What follows the name of the image in the name of the file.
    media_type : str
    """

    label: str
    type: str
    hint: str
    ending: str
    media_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A file format.

    Attributes
    ----------
    name : str
        Name on the command line, in messages of the front end, and as ``format=`` of ``to_file``.
    scope : {"image", "stack"}
        Whether a file describes one image or all planes of a stack.
    writer : str
        ``module:function`` in this package, called as ``write(result, target, overwrite=…)``; ""
        if the format is only read. The module is imported on first use.
    reader : str
        ``module:function`` in this package, called as ``read(source, size=…)``; "" if the format is
        only written.
    suffixes : tuple of str
        File suffixes that select this format for writing; new files get the first one, "" means a
        folder.
    read_suffixes : tuple of str
        Suffixes, in lower case, of files that may have this format.
    is_folder : bool
        Whether a folder, or a ZIP file of a folder, may have this format.
    recognizer : str
        ``module:function`` that returns whether a file has this format, called with a path or a
        `NamedFile`. Among formats with the same suffix, one without a recognizer is tried last.
    json_keys, array_keys : tuple of str
        The format is recognized by any of these keys in the top-level JSON object, or in the first
        object of a top-level array.
    needs_masks : bool
        Whether the writer is called with finished masks; if False, with the `Exports` object
        itself, and no masks are computed.
    on_command_line : bool
        Whether the command line can write the format.
    shares_folder : bool
        Whether the writer itself names the files of an image, so that the command line passes it
        the folder instead of a file for each image.
    set_writer : str
        ``module:function`` that writes several images into one file; "" if there is none.
    rows : tuple of Row
    menu : MenuItem or None
    """

    name: str
    scope: Literal["image", "stack"] = "image"
    writer: str = ""
    reader: str = ""
    suffixes: tuple[str, ...] = ()
    read_suffixes: tuple[str, ...] = ()
    is_folder: bool = False
    recognizer: str = ""
    json_keys: tuple[str, ...] = ()
    array_keys: tuple[str, ...] = ()
    needs_masks: bool = True
    on_command_line: bool = True
    shares_folder: bool = False
    set_writer: str = ""
    rows: tuple[Row, ...] = ()
    menu: MenuItem | None = None
