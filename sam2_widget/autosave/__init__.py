"""The prompts of images, kept for the kernel session and on disk, and offered again."""
