"""The list of known forms of question files, in the order in which they are tried."""

from pathlib import Path

from vqa.annotations import OWN, Layout
from vqa.layouts import (
    aokvqa,
    clevr,
    coco_qa,
    daquar,
    gqa,
    official,
    textvqa,
    visual7w,
    visual_genome,
)

LAYOUTS = (  # the first that fits a file reads it; what anyone may write comes last
    official.LAYOUT,
    visual7w.LAYOUT,
    daquar.LAYOUT,
    coco_qa.LAYOUT,
    gqa.LAYOUT,
    clevr.LAYOUT,
    visual_genome.LAYOUT,
    textvqa.LAYOUT,
    aokvqa.LAYOUT,
    OWN,
)
KNOWN = "\n".join(layout.about for layout in LAYOUTS)


def layout_of(path: Path) -> Layout | None:
    """Find the form of a file, by its name and what lies beside it."""
    return next((layout for layout in LAYOUTS if layout.fits(path)), None)
