"""Whether a camera's profile estimates precision and recall without labels, on shifted images."""
