"""CSV and Parquet files, read in two ways.

``columns.read_columns`` reads a few whole columns into memory, for logs to train on. It reads
CSV files without any extra. ``rows.open_rows`` streams files of any size, numbers their rows, and fetches
chosen rows again. It needs pyarrow (extra ``arrow``).

Both use ``formats`` (the format of a file name, the wording for rows in messages), ``headers`` (the first row
of a CSV file) and ``arrow`` (types, dictionaries, conversions). They accept the same CSV files: those of
Python's ``csv.reader``, whose quoted cells are closed and whose rows have as many cells as the header. The
first ignores columns that were not requested. The second accepts every column, since it must write all of
them again; ``texts`` writes them.
"""
