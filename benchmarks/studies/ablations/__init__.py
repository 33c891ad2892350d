"""The paper's ablations on real predictions: its tables 4, 5, 7 to 12 and its figure 3.

`python -m benchmarks.studies.ablations` runs them and writes `results.json`, `RESULTS.md` and
`learning.png`. Data, folds and evaluation are those of `benchmarks.studies.accuracy`.

| module | what |
| --- | --- |
| `settings` | the two recipes that every choice is tried in |
| `parts` | losses and margins: tables 4, 7, 8, 10 |
| `networks` | architectures, ranking and calibration: tables 5, 11, 12 |
| `visual` | visual features: table 9 |
| `embeddings` | where these come from |
| `learning` | the learning curve: figure 3 |
| `paper` | the paper's figures |
| `report` | results.json and FINDINGS.md, which says where ours agree, to RESULTS.md |
"""
