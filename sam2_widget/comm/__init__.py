"""The protocol: from pages (`requests`, `receiving`), and to pages (`wire`, `publishing`)."""
