"""The benchmarks, one file a subject.

``python -m bench.run`` runs them from the root of a checkout, and ``python -m bench.report`` makes
``RESULTS.md`` of the saved figures::

    run ──> tables  negatives  reservoirs  neighbors  smote  imblearn  cli  backends  imports
     │          each a generator of rows; harness and two_threads have the clocks
     └──> figures.json ──> report ──> RESULTS.md, and the table of the README

``versions`` compares two installed versions of equipoise, ``minority`` asks whether resampling helps a
classifier, and ``test_bench`` has the most frequent calls for pytest-benchmark.
"""
