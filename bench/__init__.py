"""The benchmarks, one file for each subject.

``python -m bench.run`` runs them from the root of a checkout, and ``python -m bench.report`` makes
``RESULTS.md`` from the saved figures::

    run ──> tables  negatives  reservoirs  neighbors  smote  imblearn  cli  backends  imports
     │          each yields rows; the clocks are in harness and two_threads
     └──> figures.json ──> report ──> RESULTS.md, and the table of the README

``versions`` compares two installed versions of equipoise, ``minority`` asks whether resampling helps a
classifier, and ``test_bench`` has the most frequent calls for pytest-benchmark.
"""
