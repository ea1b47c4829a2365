"""Anything that holds an image → RGB uint8, once, for display and model alike; and its picture."""
