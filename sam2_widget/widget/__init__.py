"""The widget itself: traits, options, events, lifetime, static preview."""
