"""Whether the confidence and the covariance of joints hold on images that nobody trained on.

Each image is held out once in five folds: neither the score network, nor the joint head, nor its
calibration saw it. Each shipped file is judged on each of its estimators, and each estimator once
more by weights of the others.
"""
