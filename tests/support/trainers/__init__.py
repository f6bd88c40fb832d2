"""Programs of tests/adapters/torch/test_trainers.py: a trainer's jobs, on two processes each."""
