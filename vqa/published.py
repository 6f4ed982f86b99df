"""The forms in which questions are known, in the order in which they are tried."""

from shared.data.layouts import Layouts
from vqa.layouts import (
    aokvqa,
    clevr,
    coco_qa,
    daquar,
    gqa,
    official,
    own,
    textvqa,
    visual7w,
    visual_genome,
)
from vqa.layouts.rows import Row

FILES: Layouts[Row] = Layouts(
    "questions",
    (
        official.LAYOUT,
        visual7w.LAYOUT,
        daquar.LAYOUT,
        coco_qa.LAYOUT,
        gqa.LAYOUT,
        clevr.LAYOUT,
        visual_genome.LAYOUT,
        textvqa.LAYOUT,
        aokvqa.LAYOUT,
        own.LAYOUT,
    ),
)
