"""Images that a store keeps as the bytes of their files."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.data.batch import Batch
from hasten.data.sources.pictures import decode_image
from hasten.data.store.reader import Store


@dataclass(frozen=True)
class StoreImages(Dataset[Batch]):
    """Labeled images, decoded when they are read: (height, width, 3) uint8, and the label.

    Decoding releases Python's lock, so threads do it side by side (`hasten.data.loading.decode.in_threads`).

    Args:
        store: made by `pack_images` with the form "encoded".
        size: scales to squares of this side, as `decode_image` does; None where all images have one size.
        ids: (n,) int64, which samples of the store these are; all where None.
    """

    store: Store
    size: int | None = None
    ids: Tensor | None = None

    def __len__(self) -> int:
        return len(self.store) if self.ids is None else len(self.ids)

    def __getitem__(self, index: int) -> Batch:
        place = index if self.ids is None else int(self.ids[index])
        own = torch.tensor([place])
        (content,) = self.store.items("image", own)
        pixels = decode_image(content.tobytes(), f"{self.store.folder}, sample {place}", size=self.size)
        return torch.from_numpy(pixels), self.store.take("label", own)[0]
