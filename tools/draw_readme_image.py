"""Draws the README's image, `docs/images/kept_poses.png`: `python -m tools.draw_readme_image`.

It is the image of `rcnet-rt demo`: skeletons from poses that we recorded, on a plain ground.
"""

from __future__ import annotations

from pathlib import Path

import click

from rcnet_rt.demo_data import LABELED_POSES
from rcnet_rt.workflows.demo.equal_count import closing_sentence, write_image
from rcnet_rt.workflows.demo.labeled_poses import read_labeled_poses, refine_labeled_poses
from rcnet_rt.workflows.scoring import load_scoring

__all__ = ["IMAGE", "main"]

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "kept_poses.png"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=IMAGE, help="A .png file.")
def main(out: Path) -> None:
    """Draw which poses raw and refined scores keep, and print the sentence that goes with it."""
    data = read_labeled_poses(LABELED_POSES)
    scoring = load_scoring("auto", "auto", family=data.family, device="cpu", backend="onnx")
    refined = refine_labeled_poses(data, scoring.refine, scoring.threshold)
    write_image(out, data, refined)
    click.echo(closing_sentence(refined))


if __name__ == "__main__":
    main()
