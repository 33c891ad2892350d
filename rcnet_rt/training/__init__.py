"""From labeled results to trained weights."""
