"""Many videos: how much sooner two workers are done than one of one thread, and what a frame takes.

`python -m benchmarks.studies.fleet` needs two cores and nothing else running on them.
"""
