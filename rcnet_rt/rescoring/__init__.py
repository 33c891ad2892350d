"""From poses to scores, written once for NumPy, torch and exported graphs."""
