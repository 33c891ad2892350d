"""Every figure of a GPU by one command, with torch, NumPy, click and safetensors alone."""
