"""Flicker: how often a person is dropped and kept again, with and without tracks.

The videos have no ground truth, so nothing here says which answer is right: flicker is read beside
how many people are kept and how long a newcomer waits, so that nobody wins by keeping all or none.
"""
