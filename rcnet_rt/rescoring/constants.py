"""The numbers of rescoring, in one table for the reference and every kernel.

Weights were trained with these values: to change one is to make all weights wrong.
"""

from __future__ import annotations

__all__ = [
    "AREA_OF_BOX",
    "BELOW_FLOOR",
    "CANDIDATE_FLOOR",
    "CLIP",
    "CONFIDENT",
    "CONFIDENT_POSE",
    "EQUAL",
    "FLAGS",
    "GROWN",
    "JOINT_POWER",
    "LAYER_NORM_EPSILON",
    "LOG_SIZE",
    "MAX_LOG_VARIANCE",
    "MAX_LOGIT",
    "MAX_MAGNITUDE",
    "MAX_PLACE",
    "MAX_STRETCH",
    "MIN_AGREEMENT",
    "MIN_CANDIDATE_IOU",
    "MIN_CONFIDENCE",
    "MIN_LOG_VARIANCE",
    "MIN_OKS",
    "MIN_SCORE",
    "MIN_SIDE",
    "MIN_UNIT",
    "RANK_AT_ONE_HALF",
    "RELATED",
    "TORSO_OF_SIZE",
    "UNEXPLAINED_POWER",
    "UNKNOWN_CORRELATION",
    "USUAL_AGREEMENT",
    "USUAL_CANDIDATE_OKS",
]

# Inputs. No pixel and no score lies beyond; squares of what is below stay finite in float32.
MAX_MAGNITUDE = 1e15
# Joints with a score above this are confident (mmpose's keypoint_score_thr, 0.2); a little more,
# so that 0.2 is not above it in any precision.
CONFIDENT = 0.2 + 1e-6

# Likely mistakes. COCO's visibility flags; and what lies outside of a box that is larger by this
# share of its sides, on each side, is not in it.
FLAGS = (0.0, 1.0, 2.0)
GROWN = 0.5

# A pose whose raw score is below the floor is scored as if it lay on it where the mean score of all
# its joints is at least this. Of 21,464 real poses of four YOLO-Pose models below 0.05, a mean of
# 0.8 would bring back 232, of which 17 % are right; a mean of 0.9 brings back 8.
CONFIDENT_POSE = 0.9

# Features.
TORSO_OF_SIZE = 0.35  # torso length as a share of sqrt(box area), for poses without a torso
MIN_UNIT = 0.01  # of the box diagonal; DEKR has 1 pixel, which would not scale with the image
MIN_SIDE = 1e-3  # pixels, before the logarithm of a box side
MIN_CONFIDENCE = 1e-3  # before the logarithm of a joint score
MIN_AGREEMENT = 0.05  # a recheck below it found another person or nobody
EQUAL = 1e-5  # baseline logits that are closer are equal: a vectorised log may differ in a bit

# Features of joints.
MAX_PLACE = 3.0  # of a joint in its box, which reaches from -1 to 1
LOG_SIZE = 5.0  # subtracted from the log of sqrt(box area), to centre it

# Joint head. A covariance is in shares of the box area; these bounds keep it finite and regular.
MAX_LOGIT = 30.0
MIN_LOG_VARIANCE, MAX_LOG_VARIANCE = -16.0, 0.0
MAX_STRETCH = 4.0

# Baselines.
MIN_OKS = 0.3  # below it candidates and rechecks are of another person, or of nobody
# Mean of YOLOv8n-pose at a score_times_confidence s, as a + b s.
USUAL_CANDIDATE_OKS = (0.75, 0.23)
USUAL_AGREEMENT = (0.14, 0.84)

# NMS consensus.
CANDIDATE_FLOOR = 0.02  # candidates with a lower score are noise
MIN_CANDIDATE_IOU = 0.6  # box IoU with a kept pose above which a candidate is of the same person
AREA_OF_BOX = 0.53  # a person's area as a share of the box's: CrowdPose's rule, COCO's median

# Expected rank.
RANK_AT_ONE_HALF = 2.5  # poses an image that score at least 0.5, where scores are in [0, 1]
MIN_SCORE = 1e-4  # scores below 1 are told from 0 down to this
# Correlation with joint confidence that is assumed without a reference: a careful value, since raw
# scores have 0.3 to 0.4, and scores that contain the joint scores 0.7 to 1.
UNKNOWN_CORRELATION = 0.76
RELATED = 0.3  # scores with a lower correlation have little to do with the joint scores
UNEXPLAINED_POWER = 3  # raw scores keep a quarter of the correction, combined scores nothing
JOINT_POWER = 2  # × that quarter: raw scores are multiplied by the root of the joints' confidence

# Network and output.
CLIP = 10.0  # standardised features are kept within ± this many standard deviations
LAYER_NORM_EPSILON = 1e-5  # torch's default
BELOW_FLOOR = 1e-3  # refined scores of poses below the floor lie under this, in their old order
