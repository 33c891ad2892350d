"""Video and images: source, overlay, sink, and the pipeline that joins them."""
