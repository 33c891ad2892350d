"""How good: studies on real predictions, each with its results and findings."""
