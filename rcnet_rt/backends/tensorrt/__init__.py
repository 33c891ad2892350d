"""TensorRT: which of its libraries runs the step on this GPU, and its engines.

Nothing of this has run on hardware yet: engines were built, and the rest ran against fakes.
"""
