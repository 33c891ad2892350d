"""The accuracy study: what re-scoring gains on real predictions, beside simpler methods.

`python -m benchmarks.studies.accuracy` runs it and writes `results.json`, `RESULTS.md` and
`learning.png`; a run that was stopped goes on. Gradient boosting needs `lightgbm`; without it these
rows are left out.

| module | what |
| --- | --- |
| `protocol` | estimators, folds, and how every row is evaluated |
| `scorers` | the rows' methods: baselines, networks, calibration, boosting, the oracle |
| `score_nets` | DEKR's and super-gradients' rescoring |
| `settled` | recipes with their open choices decided |
| `crowdpose` | COCO's poses and people on CrowdPose's 14 joints |
| `parts` | which rows each table has |
| `study` | runs the rows, in parallel if asked |
| `cells` | keeps finished rows |
| `figures` | ranking, calibration and risk of a score vector |
| `published` | the paper's tables |
| `beside_the_paper` | these tables for our estimators |
| `learning_curve` | the plot |
| `report` | results.json and FINDINGS.md to RESULTS.md |
"""
