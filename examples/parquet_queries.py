"""Questions to the Parquet that `rcnet-rt predict` wrote, in DuckDB, pandas and polars.

python examples/parquet_queries.py OUT
"""

import sys
from pathlib import Path

LEFT_WRIST = 9  # of coco17, from 0


def with_duckdb(folder: Path) -> list[tuple]:
    """Return frames, poses, kept poses and the mean x of left wrists of each source."""
    import duckdb

    # Lists count from 1; a joint that was not found is null, which an average leaves out.
    return duckdb.sql(
        f"""
        SELECT frames.source, frames.frames, poses.poses, poses.kept, poses.wrist
        FROM (SELECT source, count(*) AS frames FROM '{folder}/frames/*.parquet' GROUP BY source)
            AS frames
        LEFT JOIN (
            SELECT source, count(*) AS poses, count_if(kept) AS kept,
                avg(keypoint_x[{LEFT_WRIST + 1}]) AS wrist
            FROM '{folder}/poses/*.parquet' GROUP BY source
        ) AS poses USING (source)
        ORDER BY source
        """  # our own folder
    ).fetchall()


def with_pandas(folder: Path) -> list[tuple]:
    """Return the same."""
    import pandas as pd

    frames = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("frames/*.parquet")))
    poses = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("poses/*.parquet")))
    poses["wrist"] = poses["keypoint_x"].map(lambda joints: joints[LEFT_WRIST])  # NaN if not found
    by_source = poses.groupby("source")
    table = frames.groupby("source").size().to_frame("frames")
    table["poses"], table["kept"] = by_source.size(), by_source["kept"].sum()
    table["wrist"] = by_source["wrist"].mean()
    return list(table.itertuples(name=None))


def with_polars(folder: Path) -> list[tuple]:
    """Return the same."""
    import polars as pl

    poses = pl.scan_parquet(folder / "poses" / "*.parquet").group_by("source")
    return (
        pl.scan_parquet(folder / "frames" / "*.parquet")
        .group_by("source")
        .agg(frames=pl.len())
        .join(
            poses.agg(
                poses=pl.len(),
                kept=pl.col("kept").sum(),
                wrist=pl.col("keypoint_x").arr.get(LEFT_WRIST).mean(),
            ),
            on="source",
            how="left",
        )
        .sort("source")
        .collect()
        .rows()
    )


def main() -> None:
    """Print what each of the three says, where it is installed."""
    folder = Path(sys.argv[1])
    for query in (with_duckdb, with_pandas, with_polars):
        try:
            rows = query(folder)
        except ImportError as error:
            print(f"{query.__name__}: {error}")
            continue
        print(f"{query.__name__}: source, frames, poses, kept, mean x of left wrists")
        for row in rows:
            print("  ", *row)


if __name__ == "__main__":
    main()
