"""Converts images of any source to the RGB uint8 that both the page and the model get."""
