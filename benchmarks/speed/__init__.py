"""How fast: ratios, side by side in one run."""
