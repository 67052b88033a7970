"""Augmentation against shortcuts: the background, the sharpness and the colour of a series.

All images are uint8 [height, width, 3], RGB; every function draws from the generator it is given,
so a run is repeatable from its seed.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
# Grey in OpenCV's eight-bit Lab.
_NEUTRAL = np.array([0, 128, 128], np.float32)
# Width of the rim in pixels; green or yellow up to which a backdrop is pale, and from which a part
# of the rim is leaf; roughness up to which it is plain (eight-bit Lab).
_RIM, _PALE, _YELLOW, _SMOOTH = 3, 14.0, 8.0, 5.0
# A mask is found at this size, long side; lightness weighs little, for light is uneven.
_MASK_PX = 128
_NEUTRAL = np.array([0, 128, 128], np.float32)
_ROUGH_WEIGHTS = np.array([0.2, 1.0, 1.0], np.float32)


def _backdrop_of(rim: Floats) -> NDArray[np.bool_] | None:
    """Which pixels of the rim, Lab [n, 3] with neutral at 0, are plain backdrop; None: none is.

    Two clusters by colour (two-means).  Where they differ clearly a leaf may run over the edge of
    the photo: backdrop is then the less yellow one, or both where neither is yellow (shadow).
    """
    colour = rim[:, 1:]
    order = np.argsort(colour[:, 1])
    centres = colour[order[[len(order) // 10, -(len(order) // 10)]]]
    for _ in range(8):
        near = np.linalg.norm(colour[:, None] - centres, axis=2).argmin(axis=1)
        if 0 in np.bincount(near, minlength=2):
            break
        centres = np.stack([colour[near == k].mean(axis=0) for k in (0, 1)])
    less, more = sorted(range(2), key=lambda k: float(centres[k][1]))
    apart = np.linalg.norm(centres[0] - centres[1]) >= 10 and centres[more][1] > _YELLOW
    own = (near == less) if apart else np.ones(len(rim), np.bool_)
    leafy = float(np.median(np.maximum(-colour[own, 0], colour[own, 1])))
    return own if own.mean() > 0.25 and leafy < _PALE else None


def _plane(places: Floats, values: Floats) -> Floats:
    """Least-squares plane [3, channels] through ``values`` [n, channels], without the outliers."""
    keep = np.ones(len(places), np.bool_)
    for _ in range(3):
        plane = np.linalg.lstsq(places[keep], values[keep], rcond=None)[0]
        off = np.linalg.norm(values - places @ plane, axis=1)
        keep = off <= 2.5 * np.median(off) + 1e-6
    return np.asarray(plane, np.float32)


def leaf_mask(image: Image) -> Mask | None:
    """Leaf against a plain backdrop, bool [height, width]; None where there is no plain backdrop.

    The backdrop is a plane in Lab fitted to the pale part of the rim, so that uneven light is
    still plain.  A leaf is what differs from it in colour; what is only darker is shadow.  Otsu
    threshold, holes filled, the largest blob and what is not much smaller.
    """
    scale = min(1.0, _MASK_PX / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32) - _NEUTRAL
    down, right = np.mgrid[0:height, 0:width].astype(np.float32) / _MASK_PX
    places = np.stack([np.ones_like(down), down, right], axis=-1)
    rim = np.ones((height, width), np.bool_)
    rim[_RIM:-_RIM, _RIM:-_RIM] = False
    own = _backdrop_of(lab[rim])
    if own is None:
        return None
    values, at = lab[rim][own] * _ROUGH_WEIGHTS, places[rim][own]
    plane = _plane(at, values)
    rough = np.linalg.norm(values - at @ plane, axis=1)
    if float(np.median(rough)) > _SMOOTH:  # a busy rim is a field photo: nothing plain to replace
        return None
    off = lab * _ROUGH_WEIGHTS - places @ plane
    off[..., 0] = np.maximum(0.0, off[..., 0])
    distance = np.linalg.norm(off, axis=2)
    mask = _blobs(distance)
    if mask is None or not 0.06 < mask.mean() < 0.93:
        return None
    if distance[mask].mean() < 3 * distance[~mask].mean() + 2:
        return None
    size = (image.shape[1], image.shape[0])
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5


def _blobs(distance: Floats) -> Mask | None:
    scaled = np.clip(distance * 5, 0, 255).astype(np.uint8)
    limit, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    # A little under Otsu's: brown and pale spots lie nearer to the backdrop than green does.
    binary = (scaled > max(25, 0.8 * limit)).astype(np.uint8)
    opened = cv2.morphologyEx(binary, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(cv2.contourArea(c) for c in contours)
    filled = np.zeros(binary.shape, np.uint8)
    kept = [c for c in contours if cv2.contourArea(c) >= 0.15 * largest]
    cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return filled > 0


def replace_background(image: Image, mask: Mask, background: Image) -> Image:
    """The masked leaf before ``background`` (any size), with a soft seam."""
    height, width = mask.shape
    behind = cv2.resize(background, (width, height), interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(cv2.erode(mask.astype(np.float32), np.ones((3, 3))), (0, 0), 1.0)
    mixed = image * alpha[..., None] + behind * (1 - alpha[..., None])
    return mixed.astype(np.uint8)


def remove_leaf(image: Image, mask: Mask) -> Image:
    """The backdrop alone: the leaf is painted over with shifted border texture."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    fill = np.median(image[~grown], axis=0) if (~grown).any() else np.array([128, 128, 128])
    texture = cv2.GaussianBlur(np.roll(image, image.shape[0] // 2, axis=0), (0, 0), 2)
    out: Image = image.copy()
    noise = texture[grown].astype(np.float32) * 0.15 + fill * 0.85
    out[grown] = np.clip(noise, 0, 255).astype(np.uint8)
    return out


def shrink_into(image: Image, mask: Mask | None, background: Image, rng: Generator) -> Image:
    """The same leaf photographed from too far: a fifth of the frame or less."""
    height, width = image.shape[:2]
    scale = rng.uniform(0.1, 0.22)
    small = (max(8, int(width * scale)), max(8, int(height * scale)))
    out = cv2.resize(background, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    left = int(rng.integers(0, width - small[0]))
    top = int(rng.integers(0, height - small[1]))
    patch = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    window = out[top : top + small[1], left : left + small[0]]
    if mask is None:
        window[:] = patch
    else:
        keep = cv2.resize(mask.astype(np.uint8), small) > 0
        window[keep] = patch[keep]
    return out


def synthetic_scene(px: int, rng: Generator) -> Image:
    """A scene without a plant: flat, gradient, blobs, stripes or lines of text on a sheet."""
    colours = rng.integers(0, 256, (2, 3)).astype(np.float32)
    kind = int(rng.integers(5))
    ramp = np.linspace(0, 1, px, dtype=np.float32)
    if kind == 0:
        canvas = np.broadcast_to(colours[0], (px, px, 3)).copy()
    elif kind == 1:
        canvas = colours[0] + (colours[1] - colours[0]) * ramp[:, None, None]
        canvas = np.broadcast_to(canvas, (px, px, 3)).copy()
    elif kind == 2:
        field = cv2.GaussianBlur(
            rng.random((px, px, 3)).astype(np.float32), (0, 0), rng.uniform(2, 30)
        )
        field = (field - field.min()) / (np.ptp(field) + 1e-6)
        canvas = colours[0] + (colours[1] - colours[0]) * field
    elif kind == 3:
        stripes = (np.sin(ramp * rng.uniform(20, 200)) > 0).astype(np.float32)
        canvas = colours[0] + (colours[1] - colours[0]) * stripes[None, :, None]
        canvas = np.broadcast_to(canvas, (px, px, 3)).copy()
    else:
        sheet = np.full((px, px, 3), rng.integers(150, 255), np.uint8)
        for y in range(10, px, int(rng.integers(8, 20))):
            cv2.putText(sheet, "".join(map(chr, rng.integers(33, 126, 40))), (4, y),
                        cv2.FONT_HERSHEY_SIMPLEX, 0.35, (30, 30, 30), 1)  # fmt: skip
        canvas = sheet.astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        a, b = rng.integers(0, px, (2, 2))
        colour = tuple(map(float, rng.integers(0, 256, 3)))
        cv2.rectangle(canvas, tuple(map(int, a)), tuple(map(int, b)), colour, -1)
    noise = rng.normal(0, rng.uniform(0, 12), canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def crop_and_warp(image: Image, px: int, rng: Generator, min_area: float = 0.45) -> Image:
    """Random resized crop (area ``min_area`` to 1, aspect 3:4 to 4:3), turn, flip, perspective."""
    height, width = image.shape[:2]
    area = rng.uniform(min_area, 1.0)
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    crop_w, crop_h = np.sqrt(area * aspect) * width, np.sqrt(area / aspect) * height
    crop_w, crop_h = min(crop_w, width), min(crop_h, height)
    centre = np.array([rng.uniform(crop_w / 2, width - crop_w / 2),
                       rng.uniform(crop_h / 2, height - crop_h / 2)])  # fmt: skip
    angle = rng.uniform(-25, 25) if rng.random() < 0.7 else rng.uniform(-180, 180)
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [crop_w, crop_h]
    corners = corners @ rotation.T + centre + rng.normal(0, 0.02, (4, 2)) * [width, height]
    if rng.random() < 0.5:
        corners = corners[[1, 0, 3, 2]]
    target = np.array([[0, 0], [px, 0], [px, px], [0, px]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return cv2.warpPerspective(image, matrix, (px, px), flags=cv2.INTER_AREA,
                               borderMode=cv2.BORDER_REFLECT_101).astype(np.uint8)  # fmt: skip


def shift_colour(image: Image, rng: Generator) -> Image:
    """Exposure, contrast, white balance, gamma, hue, saturation: another phone, another light."""
    levels = np.arange(256, dtype=np.float32)
    tone = (levels / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    tone = (tone - 0.45) * rng.uniform(0.75, 1.3) + 0.45
    gains = np.exp(rng.normal(0, 0.09, 3)) * np.exp(rng.uniform(-0.25, 0.25))
    out = cv2.LUT(image, _table(tone[:, None] * gains * 255))
    hue = (levels + rng.integers(-6, 7)) % 180
    saturation = levels * rng.uniform(0.65, 1.35)
    hsv = cv2.cvtColor(out, cv2.COLOR_RGB2HSV)
    hsv = cv2.LUT(hsv, _table(np.stack([hue, saturation, levels], axis=1)))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8)


def _table(columns: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A look-up table for cv2.LUT, uint8 [1, 256, 3], from values [256, 3]."""
    return np.clip(columns, 0, 255).astype(np.uint8)[None]


def degrade(image: Image, rng: Generator) -> Image:
    """Blur, sharpening, lower resolution, noise, JPEG, each now and then."""
    px = image.shape[0]
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)).astype(np.uint8)
    elif rng.random() < 0.2:
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        image = cv2.addWeighted(image, 1.8, soft, -0.8, 0).astype(np.uint8)
    if rng.random() < 0.25:
        small = int(px * rng.uniform(0.4, 0.9))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA),
                           (px, px), interpolation=cv2.INTER_LINEAR).astype(np.uint8)  # fmt: skip
    if rng.random() < 0.25:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
        jpeg = cv2.imencode(".jpg", image, quality)[1]
        again = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        image = image if again is None else again.astype(np.uint8)
    return image


def mix(
    images: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], float]:
    """Pair the photos of a batch, uint8 [n, h, w, 3].

    By turns mixup (Zhang et al. 2018), with a share from Beta(0.4, 0.4), or CutMix (Yun et al.
    2019): a rectangle of the partner.

    Returns:
        The mixed batch, the partner of each photo [n], and the photo's own share.
    """
    partner = rng.permutation(len(images))
    other = images[partner]
    if rng.random() < 0.5:
        own = float(rng.beta(0.4, 0.4))
        mixed = images.astype(np.float32) * own + other.astype(np.float32) * (1 - own)
        return mixed.astype(np.uint8), partner, own
    height, width = images.shape[1:3]
    side = np.sqrt(1 - rng.beta(1.0, 1.0))
    h, w = max(1, int(height * side)), max(1, int(width * side))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    out = images.copy()
    out[:, top : top + h, left : left + w] = other[:, top : top + h, left : left + w]
    return out, partner, 1 - h * w / (height * width)


def occlude(image: Image, rng: Generator) -> Image:
    """One to three patches of flat colour, each up to a fifth of the side."""
    px = image.shape[0]
    out = image.copy()
    for _ in range(int(rng.integers(1, 4))):
        side = int(px * rng.uniform(0.06, 0.2))
        y, x = rng.integers(0, px - side, 2)
        out[y : y + side, x : x + side] = rng.integers(0, 256, 3)
    return out


def augment(
    image: Image, mask: Mask | None, background: Callable[[], Image], px: int, rng: Generator,
    *, gentle: bool = False,
) -> Image:  # fmt: skip
    """One training view, uint8 [px, px, 3]; ``gentle`` keeps it nearer to a real photo.

    ``background`` draws one when it is needed.
    """
    ease = 0.5 if gentle else 1.0
    if mask is not None and rng.random() < 0.7 * ease:
        image = replace_background(image, mask, background())
    out = crop_and_warp(image, px, rng, min_area=0.7 if gentle else 0.45)
    out = shift_colour(out, rng) if rng.random() < 0.85 * ease else out
    out = degrade(out, rng) if rng.random() < ease else out
    return occlude(out, rng) if rng.random() < 0.15 * ease else out
