"""Training at the scale of all of COCO, with simulated results: time and memory."""
