"""Sets of images: their sources, their annotations on disk, and results for the whole set."""
