"""How a call runs: below all subjects, above nothing but `_validate`.

- `backend` chooses the kernels, compiled or Numba's.
- `chunks` cuts a call into chunks of a few milliseconds, on threads that end with the call.
- `progress` reports a long call to a function or shows a bar.
- `state` is the base class of samplers: counters, epochs, state dicts, pickles, copies.
- `locks` renews locks in forked children.
- `versions` collects what a bug report needs.
"""
