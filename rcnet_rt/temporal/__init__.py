"""Over several frames: tracks, smoothed scores, hysteresis."""
