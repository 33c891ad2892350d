"""The accuracy study: what re-scoring brings on real predictions, beside simpler peers.

`python -m benchmarks.accuracy` runs it and writes `results.json` and `RESULTS.md`.

| module | what |
| --- | --- |
| `protocol` | data, folds, and the judgement that every row goes through |
| `scorers` | the rows' methods: formulas, networks, boosting, DEKR's, the oracle |
| `generic` | scorers for an estimator that was left out of training |
| `parts` | which rows each table has |
| `study` | runs the rows, in parallel if asked |
| `report` | figures to Markdown |
"""
