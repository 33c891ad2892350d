"""The accuracy study: what re-scoring gains on real predictions, beside simpler methods.

`python -m benchmarks.studies.accuracy` runs it and writes `results.json` and `RESULTS.md`.

| module | what |
| --- | --- |
| `protocol` | data, folds, and how every row is evaluated |
| `scorers` | the rows' methods: baselines, networks, boosting, the oracle |
| `dekr` | DEKR's rescoring |
| `feature_groups` | which group each feature belongs to |
| `generic` | scorers for an estimator that was left out of training |
| `parts` | which rows each table has |
| `study` | runs the rows, in parallel if asked |
| `report` | results.json and FINDINGS.md to RESULTS.md |
"""
