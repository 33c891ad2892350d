"""Train weights on labeled results."""
