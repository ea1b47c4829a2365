"""What crosses the comm: from pages (`requests`, `receiving`), to pages (`wire`, `publishing`)."""
