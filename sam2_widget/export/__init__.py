"""Results to files of every common format and back, one module a format."""
