"""Poses as Parquet: one row a pose, readable by DuckDB, pandas and polars as it is."""
