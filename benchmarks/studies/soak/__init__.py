"""Soak: what only shows after hours, or when something is stopped at the wrong moment.

`endless` sends a long video down the whole road and watches memory, threads and files; `interrupts`
presses Ctrl-C at random moments; `killed` kills training and goes on. What went wrong is
a figure, and `python -m benchmarks.studies.soak` ends with 1 if there is any.
"""
