"""The usual design, written well: FastAPI, a WebSocket, full-size masks as PNG in base64 in JSON.

Its model is ours, so that both sides pay the same for an answer. What follows is what
`SAM2ImagePredictor.predict` does after its decoder, with sam2's own code: every candidate is
brought to full size, thresholded and made an array, and the best is sent. The PNG has one bit a
pixel, the mask's colour, a transparent background and the quickest compression, which measured
better than grey or RGBA; the page only has to draw it.

    python -m benchmarks.fast.peer_server PORT
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import uvicorn
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from PIL import Image
from sam2.utils.transforms import SAM2Transforms

from benchmarks.fast.pictures import photo
from sam2_widget import PromptArrays, load_model
from sam2_widget.images.view import encode_view

PAGE = Path(__file__).with_name("peer_page.html")
PALETTE = [0, 0, 0, 238, 51, 119]

app = FastAPI()
# One thread owns the model, as FastAPI's own advice for what computes and is not thread-safe.
worker = ThreadPoolExecutor(1)


class Peer:
    """One image and the clicks on it."""

    def __init__(self) -> None:
        self.predictor = load_model("bundled", device="cpu")
        self.transforms = SAM2Transforms(resolution=256, mask_threshold=0.0)
        self.size = (1, 1)
        self.embedding: Any = None
        self.view = b""
        self.clicks: list[tuple[float, float, int]] = []
        self.logits: npt.NDArray[np.float32] | None = None

    def open(self, width: int, height: int) -> None:
        """Load the image: once, as good servers do."""
        image = photo(width, height)
        self.size = (width, height)
        self.embedding = self.predictor.embed(image)
        self.view = encode_view(image).data
        self.clicks, self.logits = [], None

    def click(self, message: dict[str, Any]) -> str:
        """Answer a click: JSON with the mask and the server's own times in milliseconds."""
        start = perf_counter()
        if message["new"]:
            self.clicks, self.logits = [], None
        self.clicks.append((message["x"], message["y"], message["label"]))
        points = np.array([click[:2] for click in self.clicks], np.float32)
        labels = np.array([click[2] for click in self.clicks], np.int32)
        prompts = PromptArrays(points, labels, None, self.logits)
        asked = perf_counter()
        found = self.predictor.predict(
            self.embedding, prompts, multimask=len(labels) == 1 and self.logits is None
        )
        decoded = perf_counter()
        self.logits = found.logits[found.best]
        masks = self._full_size(found.logits)
        mask = base64.b64encode(png(masks[found.best])).decode("ascii")
        done = perf_counter()
        times = {"decoder": 1e3 * (decoded - asked), "server": 1e3 * (done - start)}
        return json.dumps({"mask": mask, "score": float(found.scores[found.best]), **times})

    @torch.no_grad()
    def _full_size(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """As `SAM2ImagePredictor` does: (K, H, W)."""
        width, height = self.size
        masks = self.transforms.postprocess_masks(torch.from_numpy(logits)[None], (height, width))
        full = (masks > 0).squeeze(0).float().detach().cpu().numpy()
        return np.asarray(full, np.bool_)


def png(mask: npt.NDArray[np.bool_]) -> bytes:
    """A mask as a PNG of one bit a pixel, ready to be drawn."""
    image = Image.fromarray(mask.view(np.uint8))
    image.putpalette(PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=1, transparency=0, compress_level=1)
    return buffer.getvalue()


peer = Peer()


async def on_worker(job: Any, *arguments: Any) -> Any:
    """Run `job` beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(worker, job, *arguments)


@app.get("/")  # type: ignore[untyped-decorator]
def page() -> FileResponse:
    """The page."""
    return FileResponse(PAGE)


@app.post("/open/{width}/{height}")  # type: ignore[untyped-decorator]
async def open_image(width: int, height: int) -> dict[str, bool]:
    """Load an image of this size."""
    await on_worker(peer.open, width, height)
    return {"ok": True}


@app.get("/view")  # type: ignore[untyped-decorator]
def view() -> Response:
    """The image as it is shown."""
    return Response(peer.view, media_type="image/jpeg")


@app.websocket("/clicks")  # type: ignore[untyped-decorator]
async def clicks(socket: WebSocket) -> None:
    """Answer one click after the other."""
    await socket.accept()
    try:
        while True:
            message = json.loads(await socket.receive_text())
            await socket.send_text(await on_worker(peer.click, message))
    except WebSocketDisconnect:
        return


if __name__ == "__main__":
    # uvicorn sets TCP_NODELAY; compressing PNG once more would only cost time.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        ws_per_message_deflate=False,
        ws_max_size=2**28,
    )
