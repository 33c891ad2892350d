"""Results in one format read and written in another, frame by frame."""
