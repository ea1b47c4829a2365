"""Connect to a model on a Ray cluster: `ray_model`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache

from sam2_widget.errors import ClusterError
from sam2_widget.models.cluster.client import DEFAULT_TIMEOUT, RayPredictor
from sam2_widget.models.cluster.tracker import RayTracker


def ray_model(
    url: str = "http://localhost:8000",
    *,
    timeout: float = DEFAULT_TIMEOUT,
    headers: Mapping[str, str] | None = None,
    verify: bool | str = True,
) -> RayPredictor:
    """Use a model that runs on a Ray cluster, started there by `sam2_widget.ray`.

    Parameters
    ----------
    url : str
        Of the cluster's Ray Serve, or of the proxy that guards it.
    timeout : float
        Seconds to wait for one answer before the widget shows that there is none.
    headers : mapping, optional
        Headers that the server requires, e.g. ``{"Authorization": "Bearer …"}``.
    verify : bool or str
        Whether to check the certificate of an ``https`` URL, or the path of those to trust.

    Returns
    -------
    RayPredictor
        To be passed to `segment` and `SegmentWidget` as `model`. The same for the same arguments.

    Raises
    ------
    ClusterError
        If there is no such cluster, or it does not answer in time.
    """
    given = tuple(sorted((headers or {}).items()))
    return _connected(url, timeout, given, verify=verify, process=os.getpid())


@cache
def _connected(
    url: str,
    timeout: float,
    headers: tuple[tuple[str, str], ...],
    *,
    verify: bool | str,
    process: int,
) -> RayPredictor:
    """The same for the same arguments; `process`, since a fork cannot share connections."""
    del process
    import httpx  # noqa: PLC0415 - takes 0.1 s, which importing the package need not wait for

    def connect() -> httpx.Client:
        return httpx.Client(base_url=url, headers=list(headers), verify=verify)

    try:
        client = connect()
    except (httpx.InvalidURL, OSError, ValueError) as error:
        raise ClusterError(f"{url!r} cannot be used: {error}; pass 'http://head:8000'") from error
    try:
        predictor = RayPredictor(client, timeout=timeout, connect=connect)
        if predictor.info.tracks:
            predictor = RayTracker(client, timeout=timeout, connect=connect, info=predictor.info)
    except BaseException:
        client.close()
        raise
    if predictor.note:
        warnings.warn(predictor.note, stacklevel=3)
    return predictor
