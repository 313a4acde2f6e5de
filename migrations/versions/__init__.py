"""The migrations themselves, oldest first by number."""
