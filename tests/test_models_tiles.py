"""Tiles, boxes and suppression: figures that can be checked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import tiles
from models.tiles import Found


def found(*boxes: tuple[float, float, float, float], scores: list[float] | None = None) -> Found:
    count = len(boxes)
    return Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or [0.9] * count, np.float32),
        np.zeros(count, np.int64),
    )


class TestTiles:
    @pytest.mark.parametrize(
        ("length", "starts"),
        [(100, [0]), (512, [0]), (513, [0, 1]), (928, [0, 416]), (1000, [0, 244, 488])],
    )
    def test_starts_by_hand(self, length: int, starts: list[int]) -> None:
        assert tiles.starts(length, 512, 96) == starts

    @given(st.integers(1, 5000), st.sampled_from([64, 320, 512]), st.integers(0, 60))
    def test_tiles_cover_everything_and_share_enough(
        self, length: int, px: int, overlap: int
    ) -> None:
        begins = tiles.starts(length, px, overlap)
        assert begins[0] == 0
        assert begins[-1] == max(0, length - px)
        assert all(b - a <= px - overlap for a, b in itertools.pairwise(begins))

    def test_a_small_photo_lies_in_the_corner_of_a_grey_tile(self) -> None:
        image = np.full((10, 20, 3), 200, np.uint8)
        tile = tiles.tile_at(image, (0, 0), 64)
        assert (tile[:10, :20] == 200).all()
        assert (tile[10:] == 127).all()
        assert (tile[:, 20:] == 127).all()

    def test_every_place_has_a_tile_that_answers_for_it(self) -> None:
        height, width, px, overlap = 700, 1100, 512, 96
        where = [(x, y) for x in range(5, width, 37) for y in range(5, height, 41)]
        answered = set()
        for corner in tiles.corners(height, width, px, overlap):
            inside = [
                (x, y) for x, y in where if 0 <= x - corner[0] < px and 0 <= y - corner[1] < px
            ]
            boxes = found(*((x - corner[0] - 2, y - corner[1] - 2, 4, 4) for x, y in inside))
            kept = tiles.inner(boxes, corner, px, (height, width), 24).boxes[:, :2] + 2
            answered |= {(int(x) + corner[0], int(y) + corner[1]) for x, y in kept}
        assert answered == set(where)

    def test_what_the_rim_cuts_is_left_to_the_neighbour(self) -> None:
        boxes = found((500, 200, 10, 10), (400, 200, 10, 10))
        kept = tiles.inner(boxes, (0, 0), 512, (512, 900), 24)
        assert kept.boxes.tolist() == [[400, 200, 10, 10]]
        assert len(tiles.inner(boxes, (0, 0), 512, (512, 512), 24).boxes) == 2


class TestBoxes:
    def test_decode_by_hand(self) -> None:
        heat = np.zeros((2, 4, 4), np.float32)
        heat[1, 2, 3], heat[0, 0, 0] = 0.8, 0.1
        reach = np.zeros((4, 4, 4), np.float32)
        reach[:, 2, 3] = (3, 4, 5, 6)
        out = tiles.decode(heat, reach, 0.3)
        # Middle of cell (row 2, column 3) at stride 4: x 14, y 10.
        assert out.boxes.tolist() == [[11, 6, 8, 10]]
        assert (out.scores.tolist(), out.labels.tolist()) == ([pytest.approx(0.8)], [1])

    def test_overlap_by_hand(self) -> None:
        one = np.array([0, 0, 10, 10], np.float32)
        many = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]], np.float32)
        assert tiles.overlap_of(one, many).tolist() == pytest.approx([1, 1 / 3, 0])

    def test_the_surest_of_two_on_one_insect_stays(self) -> None:
        twice = found((0, 0, 10, 10), (1, 0, 10, 10), (30, 0, 10, 10), scores=[0.5, 0.9, 0.4])
        kept = tiles.suppress(twice, 0.5)
        assert kept.scores.tolist() == pytest.approx([0.9, 0.4])

    def test_suppression_does_not_ask_for_the_label(self) -> None:
        two = Found(found((0, 0, 9, 9), (0, 0, 9, 9)).boxes, np.array([0.6, 0.7], np.float32),
                    np.array([0, 1]))  # fmt: skip
        assert tiles.suppress(two, 0.5).labels.tolist() == [1]

    def test_nothing_stays_nothing(self) -> None:
        assert len(tiles.suppress(found(), 0.5).boxes) == 0

    def test_boxes_are_cut_to_the_photo(self) -> None:
        boxes = np.array([[-5, -5, 10, 10], [95, 40, 10, 20]], np.float32)
        assert tiles.within(boxes, 50, 100).tolist() == [[0, 0, 5, 5], [95, 40, 5, 10]]
