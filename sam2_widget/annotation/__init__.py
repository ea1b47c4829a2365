"""One image or stack while it is being annotated."""
