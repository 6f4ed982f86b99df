"""What recipes call by name is there."""

from shared.nets import cells, names
from shared.vision import encoders


def test_every_encoder_that_has_a_name_can_be_built():
    known = [source.build for source in names.ENCODERS.values()]
    assert len(set(known)) == len(known)
    for name in names.ENCODERS:
        assert callable(encoders._builder(name))


def test_the_names_of_cells_are_those_of_the_cells():
    assert tuple(cells.CELLS) == names.CELLS
