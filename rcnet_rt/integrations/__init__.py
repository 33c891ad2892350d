"""Doors into other tools: refined scores where their users already look."""
