"""How much a photo resembles those the model learnt from: cosine to its nearest neighbours.

Maximum probability alone takes strange crops for known ones (Sun et al. 2022, "Out-of-distribution
detection with deep nearest neighbors").
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError

K = 5


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows scaled to length one; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), dtype=np.float32)


class Neighbours:
    """Unit embeddings of training photos, kept ready crop by crop."""

    def __init__(
        self, vectors: NDArray[np.int8], scale: NDArray[np.float32], crops: NDArray[np.str_]
    ) -> None:
        """int8 vectors [n, d] times ``scale`` [n], and the crop of each [n]."""
        bank = vectors.astype(np.float32) * scale[:, None]
        self._banks = {str(crop): bank[crops == crop].T.copy() for crop in np.unique(crops)}

    @property
    def banks(self) -> dict[str, NDArray[np.float32]]:
        """Unit embeddings [n, d] of the known photos, by crop."""
        return {crop: bank.T for crop, bank in self._banks.items()}

    def similarity(self, embedding: NDArray[np.float32], crop: str) -> NDArray[np.float32]:
        """Mean cosine [n] of embeddings [n, d] to their five nearest photos of ``crop``."""
        bank = self._banks.get(crop)
        if bank is None:
            return np.zeros(len(embedding), np.float32)
        cosine = unit(embedding) @ bank
        k = min(K, bank.shape[1])
        nearest = np.partition(cosine, bank.shape[1] - k, axis=1)[:, -k:]
        return np.asarray(nearest.mean(axis=1), dtype=np.float32)


def pack_neighbours(embedding: NDArray[np.float32], crops: NDArray[np.str_]) -> bytes:
    """An ``npz`` of unit embeddings [n, d] as int8 with one scale a row."""
    vectors = unit(embedding)
    scale = (np.abs(vectors).max(axis=1) / 127).astype(np.float32)
    packed = np.rint(vectors / scale[:, None]).astype(np.int8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, vectors=packed, scale=scale, crops=crops)
    return buffer.getvalue()


def read_neighbours(data: bytes) -> Neighbours:
    """Read what :func:`pack_neighbours` wrote.

    Raises:
        PublisherError: ``model_corrupt``.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return Neighbours(arrays["vectors"], arrays["scale"], arrays["crops"])
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise PublisherError("model_corrupt", f"neighbours: {error}") from error
