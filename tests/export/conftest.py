"""No deadlines: the first example of a format imports its libraries."""

from hypothesis import settings

settings.register_profile("export", deadline=None)
settings.load_profile("export")
