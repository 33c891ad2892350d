"""Thousands of videos and images in parallel: refined poses as Parquet, resumable."""
