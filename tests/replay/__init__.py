"""The recorded stand-in."""
