"""CSV and Parquet files, read in two ways.

``columns.read_columns`` reads a few whole columns into memory, for logs to train on. It reads
CSV files without any extra. ``rows.open_rows`` streams files of any size, numbers their rows, and fetches
chosen rows again. It needs pyarrow (extra ``arrow``).

Both use ``formats`` (the format of a file name, the wording for rows in messages) and ``arrow`` (types,
dictionaries, conversions). They are separate because they accept different files. The first follows Python's
strict CSV rules and ignores columns that were not requested. The second follows pyarrow's rules and accepts
every column, since it must write all of them again.
"""
