"""A running pipeline over HTTP: the live view in a browser, its state as JSON, Prometheus metrics.

Only the standard library and OpenCV, which is there anyway; nothing is fetched from a network.
"""
