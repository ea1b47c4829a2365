import numpy as np

from sam2_widget.images.plane_cache import PlaneCache
from sam2_widget.images.sources import load_image


class Reads:
    """Images of growing sizes, and which were read."""

    def __init__(self, sides):
        self.sides, self.read = sides, []

    def __len__(self):
        return len(self.sides)

    def __getitem__(self, index):
        self.read.append(index)
        return load_image(np.zeros((self.sides[index],) * 2, np.uint8))


def test_images_that_are_larger_than_the_room_are_kept_all_the_same():
    planes = Reads([10, 10, 10, 200, 200, 200])
    kept = PlaneCache(planes, capacity=2000)
    for index in range(6):
        assert kept.get(index).rgb.shape[0] == planes.sides[index]
    for index in (3, 4, 5):
        kept.get(index)
    assert planes.read == [0, 1, 2, 3, 4, 5]
    kept.get(3)
    assert len(planes.read) == 6
