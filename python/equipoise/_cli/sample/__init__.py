"""``equipoise sample``: a weighted sample of files."""
