"""The error class and the exit statuses of the command line."""

__all__ = ["BAD_INPUT", "BROKEN_PIPE", "DONE", "INTERRUPTED", "TERMINATED", "BadInput"]


DONE, BAD_INPUT = 0, 2
INTERRUPTED, BROKEN_PIPE, TERMINATED = 128 + 2, 128 + 13, 128 + 15  # as shells report these signals


class BadInput(Exception):
    """An error in the user's input. The message is one line that names the file, column or option.

    The command line prints the message to standard error and exits with status 2.
    """
