"""Services that every call needs, used by all subjects. They depend only on `_validate`.

- `backend` chooses the kernels, either compiled or Numba's.
- `chunks` cuts a call into chunks of a few milliseconds, and runs them on threads that end with the call.
- `progress` reports the progress of a long call to a function, or draws a bar.
- `state` is the base class of samplers: counters, epochs, state dicts, pickles, copies.
- `locks` replaces locks in forked children.
- `dynamo` keeps `torch.compile` from tracing the package.
- `versions` collects what a bug report needs.
"""
