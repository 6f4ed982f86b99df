"""A small encoder for drawings, which is trained together with the rest."""

import keras


def small(
    weights: str | None, include_top: bool, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Build four plain convolutions, for drawings and other simple pictures.

    Nobody has trained it on photos: it learns from nothing, together with the rest.
    An image of 64 px becomes 4 x 4 regions of 128 numbers.

    Raises:
        ValueError: if ImageNet's weights are wanted.
    """
    if weights == "imagenet":
        raise ValueError("it has no ImageNet weights; start from none")
    image = keras.Input(input_shape)
    grid = image
    for block, filters in enumerate((32, 64, 96, 128), start=1):
        grid = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"block{block}",
        )(grid)
        grid = keras.layers.MaxPooling2D(2, name=f"pool{block}")(grid)
    model = keras.Model(image, grid, name="small")
    if weights:
        model.load_weights(weights)
    return model
