"""Models: checkpoints by name, the threads that run them, and image embeddings."""
