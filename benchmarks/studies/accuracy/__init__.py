"""The accuracy study: what re-scoring brings on real predictions, beside simpler peers.

`python -m benchmarks.studies.accuracy` runs it and writes `results.json` and `RESULTS.md`.

| module | what |
| --- | --- |
| `protocol` | data, folds, and the judgement that every row goes through |
| `scorers` | the rows' methods: formulas, networks, boosting, the oracle |
| `dekr` | DEKR's rescoring |
| `feature_groups` | which group each feature belongs to |
| `generic` | scorers for an estimator that was left out of training |
| `parts` | which rows each table has |
| `study` | runs the rows, in parallel if asked |
| `report` | figures to Markdown |
"""
