"""Soak: faults that only show after hours, or when a process is stopped at the wrong moment.

`endless` sends a long video through the pipeline and watches memory, threads and files;
`interrupts` presses Ctrl-C at random moments; `killed` kills training and resumes it. Faults are
part of the figures, and `python -m benchmarks.studies.soak` exits with 1 if there is any.
"""
