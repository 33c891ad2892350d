"""How soon drift is noticed, and how often without any."""
