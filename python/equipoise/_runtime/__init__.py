"""How a call runs: the backend, chunks and threads, progress, the state of samplers, versions."""
