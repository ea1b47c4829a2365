"""Definitions of what the kernel sends to the page of a set of images: traits and messages."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from sam2_widget.datasets.annotations import State, Value


class ImagesTrait(TypedDict):
    """How many images there are, and where the one shown is.

    Attributes
    ----------
    total : int
        Images of the set.
    matches : int
        Images that match the search, in a list.
    list : int
        Number of that list; grows with each search, and numbers the positions of its images anew.
    version : int
        Grows when names, states or problems of listed images have changed.
    before : int
        Matches before the image shown: its position, if it is one of them.
    is_match : bool
        Whether the image shown is one of them.
    """

    total: int
    matches: int
    list: int
    version: int
    before: int
    is_match: bool


class ObjectDetails(TypedDict):
    """The object that is being worked on.

    Attributes
    ----------
    place : int
        Its number in the list of objects, from 1.
    """

    id: int
    place: int
    label: str | None
    note: str
    values: dict[str, Value]


class ShownTrait(TypedDict):
    """The image shown.

    Attributes
    ----------
    number : int
        From 0.
    values : mapping
        Its attributes that have a value.
    object : ObjectDetails or None
    actions : mapping of str to int
        By client, the newest of its actions that was carried out before.
    """

    number: int
    name: str
    state: State
    note: str
    values: dict[str, Value]
    object: ObjectDetails | None
    actions: dict[str, int]


class ProgressTrait(TypedDict):
    """How far the set is.

    Attributes
    ----------
    done : int
        Images that need no more work.
    unreadable : int
        Other images that cannot be read, so that nobody can finish them.
    seconds_per_image, seconds_left : float or None
        None if no time is known.
    error : str
        Why the newest changes are not on disk; "" if they are.
    """

    done: int
    unreadable: int
    seconds_per_image: float | None
    seconds_left: float | None
    error: str


class SearchTrait(TypedDict):
    """The conditions of the search."""

    text: str
    state: State | None
    label: str | None


class AttributeDeclaration(TypedDict):
    """An attribute that images, or objects, may have.

    Attributes
    ----------
    type : str
        ``"text"``, ``"number"``, ``"flag"`` or ``"choice"``.
    choices : list of str
        The values of a choice.
    """

    name: str
    type: str
    choices: list[str]


class DeclaredTrait(TypedDict):
    """What was declared for the set.

    Attributes
    ----------
    classes : list of str
        Names of the classes.
    used : list of str
        Further labels that objects have.
    """

    classes: list[str]
    used: list[str]
    image: list[AttributeDeclaration]
    object: list[AttributeDeclaration]


class NoticeTrait(TypedDict):
    """Why an action was not carried out.

    Attributes
    ----------
    count : int
        Number of notices so far.
    client : str
        The page whose action it was.
    """

    count: int
    client: str
    text: str


class ReviewTrait(TypedDict):
    """The review of all objects.

    Attributes
    ----------
    version : int
        Grows when objects, or states of images, have changed.
    undo : str
        The edit of several objects that can be undone; "" if there is none.
    action : int
        How many edits were made and undone.
    message : str
        What the newest of them has done.
    """

    version: int
    undo: str
    action: int
    message: str


class SetTraits(TypedDict):
    """The traits of the page of a set.

    Attributes
    ----------
    _images : ImagesTrait
        How many images there are, and where the one shown is.
    _shown : ShownTrait
        The image shown.
    _progress : ProgressTrait
        How far the set is.
    _search : SearchTrait
        The conditions of the search.
    _declared : DeclaredTrait
        Classes and attributes.
    _review : ReviewTrait
        The review of all objects.
    _notice : NoticeTrait
        Why an action was not carried out.
    _acks : mapping of str to int
        By client, the newest action that has arrived.
    """

    _images: ImagesTrait
    _shown: ShownTrait
    _progress: ProgressTrait
    _search: SearchTrait
    _declared: DeclaredTrait
    _review: ReviewTrait
    _notice: NoticeTrait
    _acks: dict[str, int]


class ImageItem(TypedDict):
    """An image of the list.

    Attributes
    ----------
    problem : str
        Why it cannot be read, or how it has changed; "" if no problem is known.
    """

    number: int
    name: str
    state: State
    problem: str


class ItemsAnswer(TypedDict):
    """Names and states of matches; none if the list is no longer the one asked for."""

    type: Literal["items"]
    client: str
    n: int
    list: int
    version: int
    first: int
    items: list[ImageItem]


class ThumbnailAnswer(TypedDict):
    """The picture of an image, in the message's buffer, or why there is none.

    Attributes
    ----------
    error : str
        "" if there is a picture.
    """

    type: Literal["thumbnail"]
    client: str
    n: int
    number: int
    mime: str
    error: str


class ReviewAnswer(TypedDict):
    """A list of objects, whose rows can be requested.

    Attributes
    ----------
    list : int
        Its number: the one that the page had if it has the same objects in the same order.
    total : int
        How many objects it has.
    unmeasured : int
        How many of them have no score and area.
    """

    type: Literal["review"]
    client: str
    n: int
    list: int
    total: int
    unmeasured: int


class ReviewRowItem(TypedDict):
    """An object of a list.

    Attributes
    ----------
    number : int
        Number of its image.
    object : int
        Its id in the image.
    name : str
        Name of its image.
    state : str
        State of its image.
    score : float or None
    area : int or None
        In pixels.
    time : float or None
        When it was last changed, in seconds since 1970.
    color : str
        As ``"#rrggbb"``.
    look : str
        Identifies its picture.
    """

    number: int
    object: int
    name: str
    label: str | None
    state: State
    score: float | None
    area: int | None
    time: float | None
    accepted: bool
    color: str
    look: str


class RowsAnswer(TypedDict):
    """A part of a list of objects; none if the page has got another list since."""

    type: Literal["review_rows"]
    client: str
    n: int
    list: int
    first: int
    rows: list[ReviewRowItem]


class CropAnswer(TypedDict):
    """The picture of an object, in the message's buffer, or why there is none.

    Attributes
    ----------
    look : str
        Identifies the picture; "" if there is no such object.
    error : str
        "" if there is a picture.
    """

    type: Literal["crop"]
    client: str
    n: int
    number: int
    object: int
    look: str
    mime: str
    error: str


SetKernelMessage: TypeAlias = ItemsAnswer | ThumbnailAnswer | ReviewAnswer | RowsAnswer | CropAnswer


class SetAnswers(TypedDict):
    """The answer to each request that is answered, by the request's type."""

    items: ItemsAnswer
    thumbnails: ThumbnailAnswer
    review: ReviewAnswer
    review_rows: RowsAnswer
    crops: CropAnswer
