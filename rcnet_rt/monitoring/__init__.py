"""What a camera usually looks like, and whether it still does: statistics of frames, drift."""
