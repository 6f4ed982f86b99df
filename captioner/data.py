"""Photos with captions to learn from, see `shared.data.captioned`."""

from shared.data.captioned import KNOWN as KNOWN
from shared.data.captioned import Record as Record
from shared.data.captioned import read_dataset as read_dataset
from shared.data.captioned import read_datasets as read_datasets
from shared.data.captioned import select as select
from shared.data.reading import Split as Split
