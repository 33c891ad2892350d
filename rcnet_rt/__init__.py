"""rcnet_rt: refined confidence for human poses, in real time."""

__version__ = "0.1.0"
