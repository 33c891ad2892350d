"""Training losses, one concern a file: `loss(scores, targets, weights)` -> scalar tensor."""
