"""Results for the user: masks, objects and label maps."""
