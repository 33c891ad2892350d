"""Training at the scale of all of COCO: seconds and memory of every phase.

`python -m benchmarks.studies.full_coco` writes `results.json` and `RESULTS.md`. The people are
those of train2017, the results simulated: the figures are of capacity, and none is of accuracy.

| module | what |
| --- | --- |
| `simulator` | annotated people with random errors, as COCO results |
| `phases` | the library's steps one by one, in a process of their own |
| `children` | seconds and memory of a process |
| `report` | results.json and FINDINGS.md to RESULTS.md |
"""
