"""The prompts of users: points, boxes, strokes, classes, and collections of them."""
