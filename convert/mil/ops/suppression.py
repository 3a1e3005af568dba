"""Non-maximum suppression: of boxes that overlap, the one with the best score."""

import numpy as np

from .parameters import IOS17, room, work
from .registry import operator


@operator("non_maximum_suppression")
def non_maximum_suppression(
    boxes, scores, iou_threshold, max_boxes, score_threshold=None, per_class_suppression=False, opset=IOS17
):
    """Boxes (center x, center y, width, height) from the best score down, without those that overlap a better one.

    Overlap is intersection over union above ``iou_threshold``; a box counts with its best class, and with
    ``per_class_suppression`` only against boxes of that class. The rest of the ``max_boxes`` rows is zero, their
    indices are -1. Where no score reaches ``score_threshold`` the best box is given all the same.

    Until iOS16 boxes are (N, B, 4), scores (N, B, K), and the fourth result is the number of boxes. From iOS17 on
    they are (N, 4, B) and (N, K, B), there is no threshold of scores, and no fourth result.
    """
    count, last = int(max_boxes), opset >= IOS17
    if last:
        boxes, scores = np.swapaxes(boxes, 1, 2), np.swapaxes(scores, 1, 2)
    (batch, _, classes), least = scores.shape, -np.inf if score_threshold is None else float(score_threshold)
    room([batch, count, max(classes, 4)])
    work(batch * min(count, scores.shape[1]), 8 * scores.shape[1])
    places = np.full((batch, count), -1, np.int32)
    for row, box, score in zip(places, boxes, scores, strict=True):
        found = _selected(box.astype(np.float64), score, float(iou_threshold), least, count, per_class_suppression)
        row[: len(found)] = found
    taken = places[..., None]  # (N, max_boxes, 1)
    chosen = tuple(
        np.where(taken >= 0, np.take_along_axis(part, np.maximum(taken, 0), 1), part.dtype.type(0))
        for part in (boxes, scores)
    )
    if last:
        return (*(np.swapaxes(part, 1, 2) for part in chosen), places)
    return (*chosen, places, np.sum(places >= 0, axis=1, dtype=np.int32))


def _selected(boxes, scores, overlap, least, count, per_class):
    """Places of the boxes that stay, best first."""
    best, kind = np.max(scores, axis=1), np.argmax(scores, axis=1)  # (B,)
    places = np.argsort(-best, kind="stable")
    places = places[best[places] >= least]
    found = [] if len(places) else [int(np.argmax(best))][:count]
    while len(places) and len(found) < count:
        first, places = places[0], places[1:]
        found.append(int(first))
        covered = _intersection_over_union(boxes[first], boxes[places]) > overlap
        if per_class:
            covered &= kind[places] == kind[first]
        places = places[~covered]
    return found


def _intersection_over_union(box, others):
    """Of one box (4,) with others (B, 4); zero where both have no area."""
    sides = [
        np.minimum(box[i] + box[i + 2] / 2, others[:, i] + others[:, i + 2] / 2)
        - np.maximum(box[i] - box[i + 2] / 2, others[:, i] - others[:, i + 2] / 2)
        for i in (0, 1)
    ]
    common = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
