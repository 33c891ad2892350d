"""Where our figures agree with the paper's, and where not: written by hand, after RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FINDINGS"]

LOSSES = """\
**Agrees:** in the paper's setting none of the paper's other losses is better than the rank loss
by more than noise. AP and DR loss are clearly worse on both estimators (-1.2 to -2.2), and on all
images so are CRPS (-0.5 and -1.0) and the two smooth NDCGs (-0.7 to -1.4). The Gaussian variants
come within 0.8 of it, as in the paper.

**Disagrees:** the paper's tables leave the plain losses out. On YOLO-Pose squared error and
cross-entropy, which look at one pose at a time, are as good as the rank loss in both settings; on
Lightweight OpenPose they are 0.4 to 0.8 behind in the paper's and 0.3 ahead (on all images) in
the default one. There nine of the twelve others are within 0.6 AP. What stays behind is ApproxNDCG
(-1.7 to -3.3) and, on Lightweight OpenPose alone, CRPS and LambdaRank (-0.5 to -0.9). So the
tables show that losses for the top of a list, or for right and wrong only, suit AP badly; they
do not show that pairs are needed. With the paper's network no loss is better than the raw
score of YOLO-Pose: 1,000 poses are too few to learn from the joints what its score knows
already, and the default recipe, which corrects a formula, is +0.7 to +0.9 above it with most
losses. (Table 4's column RankNet is table 8's LambdaRank.)"""

MARGINS = """\
**Agrees:** from 0.3 to 1.0 the margin changes little, in the paper by 0.3 on average, and here by
0.4 at most; none is better than 0.5 by more than noise. In the paper's setting a margin of 0 is
the worst: on YOLO-Pose it costs 3 to 4 AP.

**Disagrees:** there is no collapse such as GroupPose's 21 AP. On Lightweight OpenPose a margin
of 0 costs 0.7 to 1.0, and in the default setting, where a formula is corrected, it costs 0.3
at most: a margin of 0 pulls scores together where the OKS cannot be predicted well, so its price
is what the features do not say. The paper gives no formula for margins other than 0.5; here c is
twice the margin wherever it stands (`docs/theory.md`)."""

VISUAL = """\
The model of the shared YOLO-Pose results is an OpenVINO export, which shows no features, but the
maps that enter its head are still in its graph. An embedding is ultralytics' own object feature: 64
values, of these maps at the place that the pose was found from. The results of Lightweight OpenPose
came without their network.

**Agrees:** what the network saw of a pose brings nothing beside its score and joints, which it made
from that. In the default setting the difference is below 0.1 AP; in the paper's it is -0.5 and
-1.3, inside the noise, where the paper's (offline) is -0.8.

**Open:** whether the estimator trained along (online) would gain, and whether 300,000 poses make
more of 64 values than 1,000 do; the drop in the paper's setting may be overfitting and no more."""

ARCHITECTURES = """\
**Disagrees:** attention is not better than DEKR's MLP. With the paper's features the MLP is
ahead by 0.6 on Lightweight OpenPose (0.4, inside the noise, on its fully annotated images) and by
2.4 on YOLO-Pose. In the default setting linear, MLP and attention are within 0.1 of each other:
what brings the gain is the features and the formula that is corrected, not the network. The
paper's attention has seen 150 to 300 times as many poses; whether that turns the order round
cannot be told here.

**Agrees:** AR hardly changes, since the same poses are there. (Lightweight OpenPose's file has
no boxes, so COCO takes the size of a pose from its joints; AP medium and AP large are distorted,
before and after alike.)"""

RANKING = """\
**Agrees** in direction, in the default setting: over all pairs of matched poses (OKS of at least
0.5) the order is right more often, by 5 to 6 points on Lightweight OpenPose and by 1 to 1.5 on
YOLO-Pose.

**Disagrees:** the paper gains 12 to 21 points, from 52 to 64 % before. Here the raw scores start
at 65 to 69 %, and in the paper's setting attention gains nothing that is more than noise, or
loses. A gain in ranking accuracy is no measure of one in AP: AP also counts the false positives,
which this figure leaves out. Within an image, raw scores are right in 61 to 64 % of the pairs;
this is where the default setting gains most."""

CALIBRATION = """\
**Agrees** in direction, in the default setting: Pearson's correlation rises by 0.04 to 0.09, and
AUSE-OKS falls by a third on Lightweight OpenPose and by an eighth on YOLO-Pose.

**Disagrees:** in the paper's setting attention improves neither, and on YOLO-Pose AUSE-OKS grows
by 20 to 35 %. The paper does not define its AUSE-OKS, so levels cannot be compared; ours is in
units of OKS and is 0 for a perfect order (`rcnet_rt.evaluation.metrics.ause_oks`)."""

LEARNING = """\
**Agrees:** with the paper's preset the accuracy starts near 50 %, as an untrained network must,
and half to three quarters of the loss's fall lie in the first five of fifty epochs. Test curves
stay close to training curves.

**Disagrees:** theorem 3 does not hold step by step. Of the epochs in which the test loss fell,
the accuracy fell, too, in 28 to 35 %, and with the default recipe in 17 to 24 %. On Lightweight
OpenPose the default recipe's accuracy stands still for five epochs while its loss falls fastest.
And the paper's way up from 50 % ends where the raw score is already (Lightweight OpenPose) or
short of it (YOLO-Pose): most of it is learning what the raw score says."""

FINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "losses": LOSSES,
        "margins": MARGINS,
        "visual": VISUAL,
        "architectures": ARCHITECTURES,
        "ranking": RANKING,
        "calibration": CALIBRATION,
        "learning": LEARNING,
    }
)
