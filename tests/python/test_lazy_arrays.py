"""Arrays on disk: zarr, HDF5 and dask. Only the plane that is shown is read."""

import dask.array as da
import h5py
import numpy as np
import pytest

from sam2_widget import ImageStack, load_image, segment
from sam2_widget.images.stacks import stack_of
from sam2_widget.prompts.collections import Point
from sam2_widget.testing import FakePredictor

# There is no zarr 3 for Python 3.10.
zarr = pytest.importorskip("zarr", minversion="3")

DEPTH, H, W = 6, 32, 48
VOLUME = np.random.default_rng(3).integers(0, 255, (DEPTH, 2, H, W), np.uint8)


class CountingStore(zarr.storage.MemoryStore):  # type: ignore[name-defined]
    """A store that records which chunks were read."""

    def __init__(self):
        super().__init__()
        self.read = []

    async def get(self, key, *args, **options):
        if "/" in key and not key.endswith(".json"):
            self.read.append(key)
        return await super().get(key, *args, **options)


@pytest.fixture
def store():
    return CountingStore()


def test_zarr_reads_only_the_chunks_of_the_plane(store):
    array = zarr.create_array(store, shape=VOLUME.shape, chunks=(1, 1, H, W), dtype=np.uint8)
    array[:] = VOLUME
    store.read.clear()
    stack = stack_of(array, axes="ZCYX", channels=1)
    assert isinstance(stack, ImageStack)
    assert len(stack) == DEPTH
    assert store.read == []
    loaded = stack[4]
    np.testing.assert_array_equal(loaded.values[..., 1], VOLUME[4, 1])
    assert sorted(store.read) == ["c/4/0/0/0", "c/4/1/0/0"]
    np.testing.assert_array_equal(loaded.rgb[..., 0], VOLUME[4, 1])


def test_hdf5_reads_only_the_plane(tmp_path):
    with h5py.File(tmp_path / "stäck.h5", "w") as file:
        # Chunks that were never written take no room, and would be zeros.
        data = file.create_dataset("a", (DEPTH, H, W), np.uint16, chunks=(1, H, W))
        data[2] = VOLUME[2, 0].astype(np.uint16) * 16
        assert data.id.get_num_chunks() == 1
        seen = []

        class Watched:
            shape, dtype = data.shape, data.dtype

            def __getitem__(self, index):
                seen.append(index)
                return data[index]

        loaded = load_image(Watched(), axes="ZYX", plane=2)
        np.testing.assert_array_equal(loaded.values, VOLUME[2, 0].astype(np.uint16) * 16)
        assert seen == [(2, slice(None), slice(None))]
        np.testing.assert_array_equal(load_image(data, axes="ZYX", plane=2).rgb, loaded.rgb)
        assert len(ImageStack(data, axes="ZYX")) == DEPTH


def test_dask_computes_only_the_plane():
    computed = []

    def plane(block, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    array = da.from_array(VOLUME[:, 0], chunks=(1, H, W)).map_blocks(
        plane, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    stack = ImageStack(array, axes="ZYX")
    assert computed == []
    np.testing.assert_array_equal(stack[3].values, VOLUME[3, 0])
    assert set(computed) == {3}


def test_a_loaded_plane_is_an_image(store):
    array = zarr.create_array(store, shape=VOLUME[:, 0].shape, chunks=(1, H, W), dtype=np.uint8)
    array[:] = VOLUME[:, 0]
    predictor = FakePredictor()
    result = segment(ImageStack(array, axes="ZYX")[1], [Point(10, 10)], model=predictor)
    again = segment(array, [Point(10, 10)], axes="ZYX", plane=1, model=predictor)
    np.testing.assert_array_equal(result.masks, again.masks)
    assert result.provenance.image["plane"] == {"Z": 1}


def test_options_of_an_opened_stack_cannot_be_changed():
    plane = ImageStack(VOLUME[:, 0], axes="ZYX")[0]
    with pytest.raises(ValueError, match="pass channels where it is loaded"):
        load_image(plane, channels=0)
