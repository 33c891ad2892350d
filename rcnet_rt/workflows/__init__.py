"""The Python API of what the command line does: one file a verb, plain arguments, frozen results.

Nothing here prints; progress goes to a callback, see `workflows.progress`.
"""
