"""Flicker: how often a person is dropped and kept again, with and without tracks.

The videos have no ground truth, so the figures do not say which decisions are right: flicker is
read beside how many people are kept and how long a newcomer waits, since keeping all or none would
not flicker at all.
"""
