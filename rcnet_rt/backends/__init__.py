"""Backends: what runs rescoring, from poses as they were given to refined scores."""
