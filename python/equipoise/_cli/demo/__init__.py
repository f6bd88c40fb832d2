"""The command ``equipoise demo``: the library's main tasks, on the embedded log or on the user's own log."""
