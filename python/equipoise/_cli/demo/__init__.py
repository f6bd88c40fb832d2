"""``equipoise demo``: the main jobs, on the embedded log or on the user's own."""
