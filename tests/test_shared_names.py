"""What recipes call by name is there."""

from keras import applications

from shared import cells, encoders, names


def test_every_encoder_that_has_a_name_can_be_built():
    known = [source.build for source in names.ENCODERS.values()]
    assert len(set(known)) == len(known)
    for build in known:
        assert callable(getattr(applications, build, None) or getattr(encoders, build))


def test_the_names_of_cells_are_those_of_the_cells():
    assert tuple(cells.CELLS) == names.CELLS
