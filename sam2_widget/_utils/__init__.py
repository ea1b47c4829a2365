"""General helpers, independent of segmentation."""
