"""A user's mesh as convex pieces, which is all that MuJoCo collides.

The decomposition is CoACD's (Wei, Liu, Ling, Su, *Approximate Convex Decomposition for 3D Meshes
with Collision-Aware Concavity and Tree Search*, SIGGRAPH 2022), with a fixed seed.
"""

import io
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull, QhullError

from handsim.errors import FormatError, InputError, MissingExtraError, MissingFileError, unknown
from handsim.files import one_line

MESH_SUFFIXES = (".obj", ".stl", ".ply")
MAX_EXTENT = 2.0
"""No object is longer than this [m]; a mesh that is was probably drawn in millimetres."""
MAX_FACES = 200_000
"""A mesh with more faces takes CoACD very long, and none of them would be felt."""
_SLIVER = 1e-6
"""A piece with a smaller share of the volume is left out: MuJoCo cannot use a flat one."""
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NameError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    MemoryError,
)
"""What reading a damaged mesh may raise."""


class Mesh(NamedTuple):
    """A closed surface whose faces are wound counterclockwise, seen from outside.

    Attributes:
        vertices: [m], each once.
        faces: triangles of vertices.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]

    @property
    def volume(self) -> float:
        """The enclosed volume [m³], by the divergence theorem."""
        a, b, c = self.vertices[self.faces.T]
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def read_mesh(path: Path, scale: float = 1.0) -> Mesh:
    """The closed surface in a file.

    Args:
        path: a Wavefront `.obj`, an `.stl` or a `.ply`.
        scale: metres per unit of the file.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it cannot be read as what its name says.
        InputError: it has no faces, coordinates that are no numbers, open edges, faces wound
            against each other, no volume, or a size that no object has.
        MissingExtraError: the package trimesh is not installed.
    """
    vertices, faces = _read(path)
    if not len(faces):
        raise InputError(f"{path} has no faces, expected a mesh.")
    if len(faces) > MAX_FACES:
        raise InputError(f"{path} has {len(faces)} faces, expected at most {MAX_FACES}.")
    if not np.isfinite(vertices).all():
        raise InputError(f"{path} has a vertex that is NaN or infinite.")
    mesh = _welded(vertices * scale, faces)
    _check_size(path, mesh.vertices[mesh.faces].reshape(-1, 3))
    _check_closed(path, mesh.faces, len(mesh.vertices))
    if mesh.volume < 0:
        mesh = mesh._replace(faces=np.ascontiguousarray(mesh.faces[:, ::-1]))
    if mesh.volume <= _SLIVER * np.ptp(mesh.vertices, axis=0).max() ** 3:
        raise InputError(f"{path} encloses no volume, expected a solid.")
    return mesh


def convex_pieces(mesh: Mesh) -> tuple[Float[np.ndarray, "_ 3"], ...]:
    """The vertices [m] of convex pieces that make up `mesh`; the same ones each time.

    Raises:
        MissingExtraError: the package coacd is not installed.
        InputError: nothing solid came out.
    """
    return _pieces(mesh.vertices.tobytes(), mesh.faces.astype(np.int32).tobytes())


def hull_volume(vertices: Float[np.ndarray, "V 3"]) -> float:
    """The volume of the convex hull [m³], 0 where it is flat."""
    try:
        return float(ConvexHull(vertices).volume)
    except QhullError:
        return 0.0


@lru_cache(maxsize=16)
def _pieces(vertices: bytes, faces: bytes) -> tuple[np.ndarray, ...]:
    """The pieces of a mesh given as bytes, which a cache can compare.

    Without one each of a vector of environments would decompose it anew, for seconds.
    """
    coacd = _coacd()
    coacd.set_log_level("error")
    mesh = coacd.Mesh(
        np.frombuffer(vertices).reshape(-1, 3), np.frombuffer(faces, np.int32).reshape(-1, 3)
    )
    found = [np.asarray(piece) for piece, _ in coacd.run_coacd(mesh, seed=0)]
    volumes = np.array([hull_volume(piece) for piece in found])
    if not volumes.sum() > 0:
        raise InputError("The mesh has no convex piece with a volume, expected a solid.")
    return tuple(p for p, v in zip(found, volumes / volumes.sum(), strict=True) if v > _SLIVER)


def _read(path: Path) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    suffix = path.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        raise unknown("mesh format", suffix, MESH_SUFFIXES)
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    trimesh = _trimesh()
    try:
        # Bytes rather than the path: a file's references to other files lead nowhere.
        content = io.BytesIO(path.read_bytes())
        mesh = trimesh.load_mesh(content, file_type=suffix[1:], process=False)
        vertices = np.array(mesh.vertices, dtype=float).reshape(-1, 3)
        faces = np.array(mesh.faces, dtype=int).reshape(-1, 3)
        if faces.size and not 0 <= faces.min() <= faces.max() < len(vertices):
            raise ValueError("a face names a vertex that is not there")
    except _UNREADABLE as error:
        raise FormatError(f"{path} is no {suffix} mesh: {one_line(error)}.") from error
    return vertices, faces


def _welded(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Mesh:
    """Equal vertices made one, as STL needs, and without the faces that leaves as lines."""
    unique, new = np.unique(vertices, axis=0, return_inverse=True)
    faces = new.reshape(-1)[faces]
    a, b, c = faces.T
    return Mesh(unique, faces[(a != b) & (b != c) & (c != a)])


def _check_size(path: Path, points: Float[np.ndarray, "_ 3"]) -> None:
    """The extents, and how far from the origin: poses are of the file's own frame."""
    if not len(points):
        raise InputError(f"{path} has no faces with an area, expected a mesh.")
    if np.ptp(points, axis=0).max() > MAX_EXTENT or np.abs(points).max() > MAX_EXTENT:
        low, high = points.min(axis=0), points.max(axis=0)
        raise InputError(
            f"{path} reaches from {low.round(3)} to {high.round(3)} m, expected at most "
            f"{MAX_EXTENT:g} m around its origin. If it is in millimetres, name it in a TOML file "
            f'with mesh = "{path.name}" and scale = 0.001.'
        )


def _check_closed(path: Path, faces: Int[np.ndarray, "F 3"], count: int) -> None:
    """Each edge borders two faces, and they run along it in opposite directions."""
    start, end = faces[:, [0, 1, 2]].reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    edges = np.minimum(start, end) * count + np.maximum(start, end)
    borders = np.unique(edges, return_counts=True)[1]
    if (borders != 2).any():
        raise InputError(
            f"{path} is not watertight: {(borders == 1).sum()} edges border one face and "
            f"{(borders > 2).sum()} more than two, expected two each. Repair it in a mesh editor."
        )
    if len(np.unique(start * count + end)) < len(start):
        raise InputError(
            f"{path} has faces wound against each other, expected all outward. "
            "Recalculate its normals in a mesh editor."
        )


def _trimesh() -> ModuleType:
    try:
        import trimesh
    except ImportError as error:
        raise _missing("trimesh") from error
    return trimesh


def _coacd() -> ModuleType:
    try:
        import coacd
    except ImportError as error:
        raise _missing("coacd") from error
    return coacd


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(
        f"Meshes need the package {package}, which is not installed: pip install 'handsim[mesh]'."
    )
