"""MANO's mesh in PyTorch, for losses and their gradients: the formulas of `mano_mesh`.

Importing this module takes the extra `torch`.

    layer = MeshLayer(find_model("right")).to(device)
    vertices, keypoints = layer(betas, global_orient, hand_pose, transl)
"""

from collections.abc import Sequence

from handsim.errors import MissingExtraError
from retarget.human.keypoints import FROM_MANO
from retarget.human.mano import TIP_VERTICES
from retarget.human.mano_model import PARENTS, ManoModel

try:
    import torch
except ImportError as error:
    raise MissingExtraError(
        "MANO's mesh with gradients needs PyTorch: pip install 'handsim[torch]'."
    ) from error

_ARRAYS = ("v_template", "shapedirs", "posedirs", "weights")


class MeshLayer(torch.nn.Module):
    """A model's mesh and keypoints as a differentiable function of its parameters.

    Args:
        model: whose arrays become buffers: they move with `to` and are not trained.
        tips: vertices at the tips of thumb, index, middle, ring and pinky.
        dtype: of the buffers, and so of the parameters.
    """

    def __init__(
        self,
        model: ManoModel,
        tips: Sequence[int] = TIP_VERTICES,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        arrays = {name: getattr(model, name) for name in _ARRAYS}
        arrays["joint_regressor"] = model.joint_regressor.toarray()
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(array, dtype=dtype))
        self.tips = list(tips)

    def forward(
        self,
        betas: torch.Tensor,
        global_orient: torch.Tensor,
        hand_pose: torch.Tensor,
        transl: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vertices (T, 778, 3) and keypoints (T, 21, 3) in the canonical order [m].

        Args:
            betas: (T, 10).
            global_orient: rotation matrix of the wrist (T, 3, 3).
            hand_pose: rotation matrices of the finger joints (T, 15, 3, 3), the mean pose included.
            transl: (T, 3) [m].
        """
        shape = self.v_template + torch.einsum("vcb,tb->tvc", self.shapedirs, betas)
        rest = self.joint_regressor @ shape
        turns, posed = _chain(rest, global_orient, hand_pose, transl)
        bent = (hand_pose - torch.eye(3).to(hand_pose)).flatten(1)
        shape = shape + torch.einsum("vcp,tp->tvc", self.posedirs, bent)
        offsets = posed - (turns @ rest[..., None])[..., 0]
        blended = torch.einsum("vj,tjab->tvab", self.weights, turns)
        vertices = (blended @ shape[..., None])[..., 0] + self.weights @ offsets
        ordered = torch.cat([posed, vertices[:, self.tips]], dim=1)
        return vertices, ordered[:, list(FROM_MANO)]


def _chain(
    rest: torch.Tensor, global_orient: torch.Tensor, hand_pose: torch.Tensor, transl: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Orientations (T, 16, 3, 3) and places (T, 16, 3) of the joints."""
    turns, posed = [global_orient], [transl + rest[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        bone = (rest[:, joint] - rest[:, parent])[..., None]
        posed.append(posed[parent] + (turns[parent] @ bone)[..., 0])
        turns.append(turns[parent] @ hand_pose[:, joint - 1])
    return torch.stack(turns, dim=1), torch.stack(posed, dim=1)


def rotation_matrices(vectors: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (…, 3, 3) of rotation vectors (…, 3) [rad], with gradients at 0 too."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    return torch.linalg.matrix_exp(cross.unflatten(-1, (3, 3)))


def matrices_from_6d(columns: torch.Tensor) -> torch.Tensor:
    """Rotation matrices (…, 3, 3) of their first two columns (…, 6); see `mano_poses`."""
    first = torch.nn.functional.normalize(columns[..., :3], dim=-1)
    second = columns[..., 3:]
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
