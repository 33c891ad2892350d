"""How good scores are: average precision, ranking, calibration, intervals."""
