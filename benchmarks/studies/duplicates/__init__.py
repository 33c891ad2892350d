"""Two skeletons on one person: what suppressing the second does to AP and to alarms."""
