"""What needs more than one frame: tracks, smoothed scores, hysteresis."""
