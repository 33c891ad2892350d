"""What consensus and a recheck bring, in AP, and what they cost, in milliseconds.

`python -m benchmarks.studies.signals` writes `results.json` and `RESULTS.md`. It needs an estimator's
results with these signals, on images and on altered copies of them:

    rcnet-rt predict --coco DIR --split S --model M --candidates --recheck 20 --out p.json.gz
    rcnet-rt predict --coco DIR --split S --model M --candidates --floor 0.03 --augmentations 60 …
    rcnet-rt predict … --augmentations 6 --recheck 20 --out …   the first copies looked at again

| module | what |
| --- | --- |
| `rows` | scores of every held-out image, with and without signals |
| `cost` | milliseconds an image |
| `images` | poses that rose and fell because of a signal |
| `report` | figures to Markdown |
"""
