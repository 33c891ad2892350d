"""Whether guaranteed thresholds keep what they promise, and what they cost."""
