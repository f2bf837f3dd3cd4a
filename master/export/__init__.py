"""A run as tables, for other programs: CSV files or one Parquet file, row by row, so that a day needs no more memory than an hour."""
