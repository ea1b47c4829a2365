"""Image embeddings: a cache in memory and a store on disk."""
