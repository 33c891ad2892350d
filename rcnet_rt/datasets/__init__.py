"""Datasets: COCO's ground truth and results files, read into arrays and written back."""
