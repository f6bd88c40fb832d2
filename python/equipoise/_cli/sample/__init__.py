"""The command ``equipoise sample``: a weighted sample of the rows of files."""
