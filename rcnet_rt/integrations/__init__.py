"""Other tools: refined scores where their users already read scores."""
