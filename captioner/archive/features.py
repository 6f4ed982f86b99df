"""What an archive keeps of a photo's features, to rank photos without reading them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.photo_captioner import Looked, PhotoCaptioner

FORMAT = ""  # what the bytes are; with another one, photos are captioned anew


def pack(captioner: "PhotoCaptioner", looked: "Looked") -> list[bytes | None]:
    """Give what is kept of each photo that was looked at, None for nothing.

    Args:
        captioner: the model that looked.
        looked: of its `look`.
    """
    return [None] * len(looked.images)
