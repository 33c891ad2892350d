"""What weights that were trained without labels gain, beside weights of labels."""
