"""Models: names → weights, what runs them, and the embeddings that they make."""
