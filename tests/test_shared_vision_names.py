"""What recipes call by name is there."""

from shared.vision.names import ENCODERS


def test_every_encoder_that_has_a_name_can_be_built():
    known = [source.build for source in ENCODERS.values()]
    assert len(set(known)) == len(known)
    for source in ENCODERS.values():
        assert callable(source.builder())
