"""Masks: from logits, strokes and run lengths to pixels."""
