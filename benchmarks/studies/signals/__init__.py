"""What NMS consensus and a recheck gain, in AP, and what they cost, in milliseconds.

`python -m benchmarks.studies.signals` writes `results.json` and `RESULTS.md`. It needs an
estimator's results with these signals, on images and on augmentations of them:

    rcnet-rt predict --coco DIR --split S --model M --candidates --recheck 20 --out p.json.gz
    rcnet-rt predict --coco DIR --split S --model M --candidates --floor 0.03 --augmentations 60 …
    rcnet-rt predict … --augmentations 6 --recheck 20 --out …   rechecks for 6 of them

| module | what |
| --- | --- |
| `rows` | scores of every held-out image, with and without signals |
| `cost` | milliseconds an image |
| `images` | poses whose score rose and fell most because of a signal |
| `report` | results.json and FINDINGS.md to RESULTS.md |
"""
