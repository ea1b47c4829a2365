"""A model that runs on a Ray cluster."""
