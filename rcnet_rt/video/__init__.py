"""Video and pictures: source, overlay, sink, and the pipeline that joins them."""
