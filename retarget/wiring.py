"""From a reference to the arrays of compiled code: which joints move which points of which term."""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from handsim.hands.capsules import Surface
from handsim.hands.kinematics import Tree
from retarget import gap_residuals
from retarget.gap_residuals import GapScratch, gap_scratch
from retarget.reference import PALM, Gaps, Reference
from retarget.vector_residuals import Vectors, VectorScratch


def vector_terms(tree: Tree, reference: Reference) -> tuple[Vectors, VectorScratch]:
    """A reference's vectors between the points they use, each with the joints that carry it."""
    used = np.concatenate([reference.point, reference.origin])
    points = np.unique(used[used != PALM]).astype(np.int64)
    paths = [_path(tree, point) for point in points.tolist()]
    inputs = [np.unique(tree.input_of[path]) for path in paths]
    first_joint, first_column = _starts(paths), _starts(inputs)
    column = [
        start + np.searchsorted(own, tree.input_of[path])
        for start, own, path in zip(first_column, inputs, paths, strict=False)
    ]
    origin = reference.origin
    vectors = Vectors(
        head=np.searchsorted(points, reference.point).astype(np.int64),
        tail=np.where(origin == PALM, -1, np.searchsorted(points, origin)).astype(np.int64),
        target=contiguous(reference.target),
        weight=contiguous(reference.weight),
        delta=contiguous(np.broadcast_to(reference.delta, len(reference.point))),
        by_coordinate=reference.by_coordinate,
        point=points,
        first_joint=first_joint,
        joint=_joined(paths),
        column=_joined(column),
        first_column=first_column,
        input=_joined(inputs),
    )
    scratch = VectorScratch(
        force=np.zeros((len(points), 3)),
        stiffness=np.zeros((len(points), 6)),
        between=np.zeros((len(origin), 6)),
        columns=np.zeros((len(vectors.input), 3)),
        moment=np.zeros((len(tree.parent), 3)),
    )
    return vectors, scratch


def gap_terms(
    shape: Surface | None, size: int, reference: Reference
) -> tuple[gap_residuals.Gaps, GapScratch]:
    """A reference's gaps and self-collision, between a hand's capsules."""
    gaps, none = reference.gaps, np.zeros((len(reference), 0))
    links = link_pairs(shape, gaps) if shape and gaps else None
    no_pairs, no_ids = np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    geom = np.unique(shape.geom, return_inverse=True)[1] if shape else no_ids
    meeting, first_pair, pairs = _by_geoms(shape.pairs if shape else no_pairs, geom)
    terms = gap_residuals.Gaps(
        ends=shape.ends if shape else no_pairs,
        radius=contiguous(shape.radius if shape else no_ids),
        geom=geom,
        meeting=meeting,
        first_pair=first_pair,
        pairs=pairs,
        between=links.capsules if links else no_pairs,
        target=contiguous(gaps.target[:, links.gap] if links and gaps else none),
        pull=contiguous(links.pulled * gaps.pull[:, links.gap] if links and gaps else none),
        push=contiguous(gaps.push[:, links.gap] if links and gaps else none),
        collision=float(reference.collision),
    )
    return terms, gap_scratch(size, terms)


class LinkPairs(NamedTuple):
    """The pairs of capsules that stand for gaps between fingertips.

    Attributes:
        capsules: of the two fingers' last links.
        gap: which of the gaps each stands for.
        pulled: whether they are the ones nearest the fingertips: all of a link pushes, its tip
            alone is pulled.
    """

    capsules: Int[np.ndarray, "N 2"]
    gap: Int[np.ndarray, " N"]
    pulled: Bool[np.ndarray, " N"]


def link_pairs(shape: Surface, gaps: Gaps) -> LinkPairs:
    """Every capsule of one last link with every one of the other, for each gap."""
    found = [
        (a, b, gap, (a, b) == (shape.tips[one][0], shape.tips[other][0]))
        for gap, (one, other) in enumerate(gaps.pairs.tolist())
        for a, b in product(shape.tips[one], shape.tips[other])
    ]
    first, second, gap, pulled = np.array(found, dtype=np.int64).reshape(-1, 4).T
    return LinkPairs(np.stack([first, second], axis=1), gap, pulled.astype(bool))


def _by_geoms(
    pairs: Int[np.ndarray, "K 2"], geom: Int[np.ndarray, " C"]
) -> tuple[Int[np.ndarray, "N 2"], Int[np.ndarray, " N+1"], Int[np.ndarray, "K 2"]]:
    """The pairs of geoms that pairs of capsules are of, where each begins, and those in order."""
    pairs = pairs[np.lexsort(geom[pairs].T[::-1])]
    meeting, first = np.unique(geom[pairs], axis=0, return_index=True)
    return meeting, np.append(first, len(pairs)), pairs


def contiguous(array: np.ndarray) -> Float[np.ndarray, "..."]:
    """The array as compiled code wants it."""
    return np.ascontiguousarray(array, dtype=np.float64)


def _path(tree: Tree, point: int) -> np.ndarray:
    """The joints that carry a point, from the palm outwards."""
    path, joint = [], int(tree.point_joint[point])
    while joint >= 0:
        path.append(joint)
        joint = int(tree.parent[joint])
    return np.array(path[::-1], dtype=np.int64)


def _starts(parts: list[np.ndarray]) -> np.ndarray:
    return np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
