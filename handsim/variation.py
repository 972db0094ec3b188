"""What drawn values do to a scene's model; what they may be says `handsim.randomization`."""

from collections.abc import Mapping
from dataclasses import replace

import mujoco
import numpy as np
from jaxtyping import Int

from handsim.errors import InputError
from handsim.furniture import GOAL, OBJECT, TABLE
from handsim.randomization import COLOURED, require_latency, require_names
from handsim.scene import Scene
from handsim.scene_object import SceneObject
from handsim.stage import CAMERAS

_WRITTEN = (
    *("geom_friction", "pair_friction", "geom_size", "geom_pos", "geom_rbound", "geom_aabb"),
    *("geom_rgba", "mat_rgba", "mesh_vert", "mesh_pos", "bvh_aabb", "qpos0", "qpos_spring"),
    *("body_mass", "body_inertia", "body_ipos", "body_pos"),
    *("actuator_gainprm", "actuator_biasprm", "actuator_delay", "dof_damping", "dof_dampingpoly"),
    *("cam_pos", "cam_quat", "light_dir", "light_ambient", "light_diffuse", "light_specular"),
)
_HEADLIGHT = ("ambient", "diffuse", "specular")
_PLAIN = (0.5, 0.5, 0.5, 1.0)
"""The colour of a geom that shows its material's."""


class Variation:
    """A scene's model as it was built, and how to bring it to drawn values and back."""

    def __init__(self, scene: Scene):
        """Remember the model as it is now."""
        self.scene, self._data = scene, mujoco.MjData(scene.model)
        model = scene.model
        self._nominal = {name: getattr(model, name).copy() for name in _WRITTEN}
        self._headlight = {n: getattr(model.vis.headlight, n).copy() for n in _HEADLIGHT}
        self._geoms = self._geoms_by_owner()

    def varied(self, values: Mapping[str, float]) -> Scene:
        """Bring the model to `values`, relative to what it was at first.

        Args:
            values: what `Randomization.draw` returned; what is missing is as it was built.

        Returns:
            The scene, its object described as it is now.

        Raises:
            UnknownNameError: nothing is called so.
            InputError: the model cannot be delayed so long, or there is no object to vary.
        """
        require_names(values)
        require_latency(values.get("latency", 0.0), self.scene)
        if self.scene.object is None and not values.keys().isdisjoint(("mass", "size")):
            raise InputError("mass and size: there is no object in the scene.")
        model = self.scene.model
        for name, array in self._nominal.items():
            getattr(model, name)[:] = array
        self._scale_contacts(values.get("friction", 1.0))
        self._scale_actuators(values.get("gains", 1.0), values.get("damping", 1.0))
        self._delay(values.get("latency", 0.0))
        self._light(values)
        self._move_cameras(values)
        self._colour(values)
        scene = self.scene
        if scene.object is not None:
            scene = replace(scene, object=self._vary_object(scene.object, values))
        # What MuJoCo derives from these: inverse weights, where cameras that travel start.
        mujoco.mj_setConst(model, self._data)
        return scene

    def _scale_contacts(self, factor: float) -> None:
        # A contact has the larger friction of its two geoms: those of one alone might do nothing.
        self.scene.model.geom_friction *= factor
        self.scene.model.pair_friction *= factor

    def _scale_actuators(self, gains: float, damping: float) -> None:
        """Scale the hand's force = gain·ctrl + bias₀ + bias₁·length + bias₂·velocity."""
        model, actuators, dofs = self.scene.model, self.scene.ctrl_ids, self.scene.dof_ids
        model.actuator_gainprm[actuators, 0] *= gains
        model.actuator_biasprm[actuators, :2] *= gains
        model.actuator_biasprm[actuators, 2] *= damping
        # A follower is damped as the actuator of its driver is, lest their coupling gives way.
        model.dof_damping[dofs] *= damping
        model.dof_dampingpoly[dofs] *= damping

    def _delay(self, latency: float) -> None:
        model, actuators = self.scene.model, self.scene.ctrl_ids
        steps = round(latency / model.opt.timestep)
        # Half a step less: whether a sample is old enough must not hang on the last bit of time.
        model.actuator_delay[actuators] = max(0.0, steps - 0.5) * model.opt.timestep

    def _light(self, values: Mapping[str, float]) -> None:
        model, factor = self.scene.model, values.get("light", 1.0)
        for array in (model.light_ambient, model.light_diffuse, model.light_specular):
            array *= factor
        for name, nominal in self._headlight.items():
            getattr(model.vis.headlight, name)[:] = nominal * factor
        turn = np.empty(4)
        mujoco.mju_euler2Quat(turn, _three(values, "light_turn"), "XYZ")
        for direction in model.light_dir:
            mujoco.mju_rotVecQuat(direction, direction.copy(), turn)

    def _move_cameras(self, values: Mapping[str, float]) -> None:
        model = self.scene.model
        for camera in CAMERAS:
            i, shift = model.camera(camera).id, np.empty(3)
            mujoco.mju_rotVecQuat(
                shift, _three(values, f"camera_shift_{camera}"), model.cam_quat[i]
            )
            model.cam_pos[i] += shift
            mujoco.mju_quatIntegrate(
                model.cam_quat[i], _three(values, f"camera_turn_{camera}"), 1.0
            )

    def _colour(self, values: Mapping[str, float]) -> None:
        model = self.scene.model
        for owner in COLOURED:
            parts = ("red", "green", "blue")
            shift = [values.get(f"colour_{owner}_{part}", 0.0) for part in parts]
            geoms = self._geoms[owner]
            materials = np.unique(model.geom_matid[geoms])
            shown = (model.geom_matid[geoms] < 0) | (model.geom_rgba[geoms] != _PLAIN).any(axis=1)
            for array, rows in (
                (model.geom_rgba, geoms[shown]),
                (model.mat_rgba, materials[materials >= 0]),
            ):
                array[rows, :3] = np.clip(array[rows, :3] + shift, 0.0, 1.0)

    def _vary_object(self, object: SceneObject, values: Mapping[str, float]) -> SceneObject:
        model, body = self.scene.model, self.scene.model.body(OBJECT).id
        mass, size = values.get("mass", 1.0), values.get("size", 1.0)
        model.body_mass[body] *= mass
        model.body_inertia[body] *= mass * size**2
        for owner in (OBJECT, GOAL):
            self._scale_body(model.body(owner).id, self._geoms[owner], size)
        if self._geoms[TABLE].size:
            rise = (size - 1.0) * object.rest_height
            for owner in (OBJECT, GOAL):
                model.body(owner).pos[2] += rise
            for qpos in (model.qpos0, model.qpos_spring):
                qpos[self.scene.object_qpos][2] += rise
        return replace(
            object.scaled(size),
            mass=mass * object.mass,
            friction=values.get("friction", 1.0) * object.friction,
        )

    def _scale_body(self, body: int, geoms: Int[np.ndarray, " G"], size: float) -> None:
        """Scale a body with all that its shape is made of, in its own frame."""
        model = self.scene.model
        model.body_ipos[body] *= size
        for array in (model.geom_size, model.geom_pos, model.geom_rbound, model.geom_aabb):
            array[geoms] *= size
        model.bvh_aabb[_rows(model.body_bvhadr[body], model.body_bvhnum[body])] *= size
        for mesh in np.unique(model.geom_dataid[geoms]):
            if mesh >= 0:
                model.mesh_pos[mesh] *= size
                model.mesh_vert[_rows(model.mesh_vertadr[mesh], model.mesh_vertnum[mesh])] *= size
                model.bvh_aabb[_rows(model.mesh_bvhadr[mesh], model.mesh_bvhnum[mesh])] *= size

    def _geoms_by_owner(self) -> dict[str, Int[np.ndarray, " G"]]:
        """The geoms of the hand, the object, its image and the table."""
        model = self.scene.model
        bodies = {model.body(i).name: i for i in range(model.nbody)}
        others = [0, *(bodies[name] for name in (OBJECT, GOAL) if name in bodies)]
        found = {
            name: np.flatnonzero(model.geom_bodyid == bodies.get(name, -1))
            for name in (OBJECT, GOAL)
        }
        named = [i for i in range(model.ngeom) if model.geom(i).name == TABLE]
        found[TABLE] = np.array(named, dtype=np.int64)
        found["hand"] = np.flatnonzero(~np.isin(model.geom_bodyid, others))
        return found


def _three(values: Mapping[str, float], name: str) -> np.ndarray:
    return np.array([values.get(f"{name}_{axis}", 0.0) for axis in "xyz"])


def _rows(start: np.integer, count: np.integer) -> slice:
    return slice(int(start), int(start + count))
