"""CSV and Parquet files, read in two ways.

``columns.read_columns`` reads a few whole columns into memory, for logs that are to be trained on. It reads
CSV files without any extra. ``rows.open_rows`` streams files of any size, numbers their rows, and fetches
chosen rows again. It needs pyarrow (extra ``arrow``).

Both share what is in ``formats`` (the format that a name stands for, how a message refers to a row) and
``arrow`` (types, dictionaries, conversions). They differ in what they accept, and so stay apart: the first
follows Python's strict CSV rules and ignores the columns it was not asked for; the second follows
pyarrow's rules and takes every column as it stands, since it must write all of them again.
"""
