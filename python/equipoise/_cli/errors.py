"""What the command line answers with exit status 2."""

__all__ = ["BadInput"]


class BadInput(Exception):
    """What the user gave cannot be worked with: one line, that names it."""
