"""Files: written whole or not at all, in one place."""
