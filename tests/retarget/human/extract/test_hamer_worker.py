"""The workers of HaMeR and WiLoR, end to end on stand-ins of both, and on the real ones if given.

They need torch and OpenCV, which our own environment has not: HANDSIM_HAMER_PYTHON names an
interpreter that has what `environments/hamer.txt` lists. HANDSIM_HAMER_CHECKOUT names a clone of
HaMeR, which then runs with random weights and an invented MANO file.
"""

import json
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

import retarget
from handsim.errors import WorkerError
from handsim.files import load_npz
from retarget.human.extract import extract
from retarget.human.extract.worker_process import WORKERS

PYTHON = os.environ.get("HANDSIM_HAMER_PYTHON")
CHECKOUT = os.environ.get("HANDSIM_HAMER_CHECKOUT")
FAKE = Path(__file__).parent / "fake_checkout"
WIDTH, HEIGHT = 640, 480
CONFIG = """
MANO: {DATA_DIR: _DATA, MODEL_PATH: data/mano, MEAN_PARAMS: data/mean.npz, GENDER: neutral,
       NUM_HAND_JOINTS: 15, CREATE_BODY_POSE: false}
EXTRA: {FOCAL_LENGTH: 5000}
MODEL:
  IMAGE_SIZE: 256
  IMAGE_MEAN: [0.485, 0.456, 0.406]
  IMAGE_STD: [0.229, 0.224, 0.225]
  BACKBONE: {TYPE: vit, PRETRAINED_WEIGHTS: nowhere.pth}
  MANO_HEAD:
    TYPE: transformer_decoder
    IN_CHANNELS: 2048
    TRANSFORMER_DECODER: {depth: 6, heads: 8, mlp_dim: 1024, dim_head: 64, dropout: 0.0,
                          emb_dropout: 0.0, norm: layer, context_dim: 1280}
LOSS_WEIGHTS: {ADVERSARIAL: 0.0005}
"""
FAKE_CHECKPOINT = """
import sys, torch
from yacs.config import CfgNode
torch.save({"state_dict": {"backbone.weight": torch.full((1, 3), 1 / 3)},
            "hyper_parameters": {"cfg": CfgNode({"a": 1})}}, sys.argv[1])
"""
REAL_CHECKPOINT = """
import sys, torch
from pathlib import Path
sys.path.append(sys.argv[2])
from mano_torch import configured, prepare
prepare(sys.argv[3])
from hamer.configs import get_config
from hamer.models import HAMER
config = Path(sys.argv[1]).parent.parent / "model_config.yaml"
cfg = configured(get_config, config, Path(sys.argv[4]), Path(sys.argv[5]))
torch.manual_seed(0)
torch.save({"state_dict": HAMER(cfg, init_renderer=False).state_dict()}, sys.argv[1])
"""

MINI_CHECK = """
import importlib.util, sys
import cv2, numpy as np, torch
spec = importlib.util.spec_from_file_location("worker", sys.argv[1])
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
from mano_crops import normalised
rng = np.random.default_rng(0)
vectors = rng.normal(size=(2, 16, 3))
vectors[0, 0] = 0

class Model(torch.nn.Linear):
    def forward(self, pictures):
        self.seen = pictures.numpy()
        turns = torch.tensor(vectors)
        return {"global_orient": turns[:, :1], "hand_pose": turns[:, 1:],
                "betas": torch.zeros(2, 10), "pred_cam": torch.tensor([[1.0, 0.2, -0.1]] * 2),
                "pred_keypoints_3d": torch.zeros(2, 21, 3),
                "pred_vertices": torch.zeros(2, 778, 3)}

model = Model(1, 1)
patch = rng.integers(0, 256, (2, 256, 256, 3)).astype(np.uint8)
said = worker.MiniNetwork(model, torch.device("cpu"))(np.stack([normalised(p) for p in patch]))
assert np.abs(model.seen - patch).max() < 1e-3
turns = np.concatenate([said["global_orient"], said["hand_pose"]], axis=1)
expected = np.array([[cv2.Rodrigues(v)[0] for v in row] for row in vectors])
assert np.abs(turns - expected).max() < 1e-6
assert np.abs(said["pred_keypoints_2d"] - [0.1, -0.05]).max() < 1e-6
"""

needs_torch = pytest.mark.skipif(PYTHON is None, reason="HANDSIM_HAMER_PYTHON is not set")
needs_hamer = pytest.mark.skipif(
    PYTHON is None or CHECKOUT is None, reason="HANDSIM_HAMER_CHECKOUT is not set"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of MANO, means, weights and configuration, all invented."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mano").mkdir()
    (folder / "ckpts" / "checkpoints").mkdir(parents=True)
    (folder / "ckpts" / "model_config.yaml").write_text(CONFIG)
    pose = np.tile([1.0, 0, 0, 1, 0, 0], 16)
    np.savez(folder / "mano_mean_params.npz", pose=pose, shape=np.zeros(10), cam=[0.9, 0, 0])
    with (folder / "mano" / "MANO_RIGHT.pkl").open("wb") as stream:
        pickle.dump(invented_mano(), stream, protocol=2)
    return folder


@pytest.fixture(scope="module")
def checkpoint(data):
    path = data / "ckpts" / "checkpoints" / "fake.ckpt"
    subprocess.run([PYTHON, "-I", "-c", FAKE_CHECKPOINT, path], check=True)
    return path


def invented_mano():
    """All that a file of MANO has, of its shapes; one array as chumpy wraps it."""
    rng = np.random.default_rng(0)
    regressor = np.zeros((16, 778))
    regressor[np.arange(16), np.arange(16) * 40] = 1
    parents = np.array([2**32 - 1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14], np.uint32)
    return {
        "v_template": rng.normal(scale=0.05, size=(778, 3)),
        "shapedirs": chumpy_array(rng.normal(scale=1e-3, size=(778, 3, 10))),
        "posedirs": rng.normal(scale=1e-4, size=(778, 3, 135)),
        "J_regressor": scipy.sparse.csc_matrix(regressor),
        "weights": np.full((778, 16), 1 / 16),
        "kintree_table": np.stack([parents, np.arange(16, dtype=np.uint32)]),
        "f": rng.integers(0, 778, (1538, 3)).astype(np.uint32),
        "hands_components": np.eye(45),
        "hands_mean": np.zeros(45),
        "hands_coeffs": np.zeros((10, 45)),
        "J": regressor @ rng.normal(scale=0.05, size=(778, 3)),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def chumpy_array(values):
    """An object that pickles as one of `chumpy.ch.Ch`."""
    module = sys.modules.setdefault("chumpy", types.ModuleType("chumpy"))
    inner = sys.modules.setdefault("chumpy.ch", types.ModuleType("chumpy.ch"))
    module.ch = inner
    inner.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    wrapped = inner.Ch()
    wrapped.x = values
    return wrapped


@pytest.fixture
def scene(tmp_path):
    """Three pictures with a white spot in the box of either hand; the pictures and the rows."""
    rng = np.random.default_rng(1)
    folder, rows = tmp_path / "pictures", []
    folder.mkdir()
    for frame in range(3):
        picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
        for side, left in (("left", 60), ("right", 380)):
            x, y = left + rng.integers(40, 80), 150 + rng.integers(40, 80)
            picture[y - 3 : y + 4, x - 3 : x + 4] = 255
            box = [left, 150, left + 110, 280]
            rows.append({"frame": frame, "side": side, "box": box, "spot": (x, y)})
        Image.fromarray(picture).save(folder / f"{frame}.png")
    (tmp_path / "boxes.json").write_text(
        json.dumps([{name: row[name] for name in ("frame", "side", "box")} for row in rows])
    )
    return folder, rows


def options(data, checkpoint, scene, **more):
    return {
        "checkout": str(FAKE),
        "checkpoint": str(checkpoint),
        "mano": str(data / "mano"),
        "detector": "boxes",
        "boxes": str(scene[0].parent / "boxes.json"),
        "device": "cpu",
        "batch": 4,
        **more,
    }


def run(tmp_path, scene, asked, backend="hamer"):
    return extract(scene[0], tmp_path / "out.npz", backend, PYTHON, asked).file


def columns(path):
    return load_npz(path, "extraction", 1)


@needs_torch
@pytest.mark.parametrize("backend", ["hamer", "wilor"])
def test_a_spot_in_a_crop_is_where_it_was_in_the_picture(
    tmp_path, data, checkpoint, scene, backend
):
    more = {"vertices": True}
    if backend == "wilor":
        more |= {"config": str(data / "ckpts" / "model_config.yaml")}
        more |= {"mean": str(data / "mano_mean_params.npz")}
    path = run(tmp_path, scene, options(data, checkpoint, scene, **more), backend)
    header, rows = columns(path)
    spots = np.array([row["spot"] for row in scene[1]], float)
    assert rows["keypoints_2d"][:, 0] == pytest.approx(spots, abs=0.3)
    assert rows["frame"].tolist() == [0, 0, 1, 1, 2, 2]
    assert rows["right"].tolist() == [False, True] * 3
    assert rows["pred_vertices"].shape == (6, 778, 3)
    assert header["told"]["model"]["detector"] == "boxes"
    assert header["told"]["versions"].keys() >= {"torch", "opencv", "numpy"}
    for side, of_side in (("left", spots[::2]), ("right", spots[1::2])):
        motion = retarget.load(path, side=side, fps=30)
        focal, center = np.array(motion.source.camera.focal), np.array(motion.source.camera.center)
        wrist = motion.keypoints[:, 0]
        assert focal * wrist[:, :2] / wrist[:, 2:] + center == pytest.approx(of_side, abs=0.3)
        assert motion.mano is not None
    left, right = (retarget.load(path, side=side, fps=30) for side in ("left", "right"))
    of_wrist = [motion.keypoints - motion.keypoints[:, :1] for motion in (left, right)]
    assert of_wrist[0] == pytest.approx(of_wrist[1] * [-1, 1, 1], abs=1e-5)


@needs_torch
def test_a_chunk_that_is_there_is_not_made_again(tmp_path, data, checkpoint, scene):
    asked = options(data, checkpoint, scene)
    whole = run(tmp_path, scene, asked).read_bytes()
    job = tmp_path / "job"
    job.mkdir()
    pictures = [str(path) for path in sorted(scene[0].glob("*.png"))]
    content = {"video": None, "images": pictures, "chunk": 2, "options": asked}
    (job / "job.json").write_text(json.dumps(content))
    command = [PYTHON, "-I", WORKERS / "hamer.py", job]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"done": 3, "total": 3}
    assert "hamer is chatty" in done.stderr
    kept = (job / "chunk-000000.npz").stat().st_mtime_ns
    (job / "chunk-000001.npz").unlink()
    subprocess.run(command, check=True, capture_output=True)
    assert (job / "chunk-000000.npz").stat().st_mtime_ns == kept
    with np.load(job / "chunk-000001.npz") as again:
        assert again["frame"].tolist() == [2, 2]
        rows = columns(tmp_path / "out.npz")[1]
        assert np.array_equal(again["keypoints_2d"], rows["keypoints_2d"][4:])
    assert whole == run(tmp_path, scene, asked).read_bytes()


@needs_torch
def test_masks_are_boxes(tmp_path, data, checkpoint, scene):
    for row in scene[1]:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        x0, y0, x1, y1 = row["box"]
        mask[y0:y1, x0:x1] = 255
        folder = tmp_path / "masks" / row["side"]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(folder / f"mask_{row['frame']:05d}.png")
    by_boxes = columns(run(tmp_path, scene, options(data, checkpoint, scene)))[1]
    asked = options(
        data, checkpoint, scene, detector="sam2", boxes=None, masks=str(tmp_path / "masks")
    )
    by_masks = columns(run(tmp_path, scene, asked))[1]
    assert np.array_equal(by_boxes["box"], by_masks["box"])
    assert np.array_equal(by_boxes["keypoints_2d"], by_masks["keypoints_2d"])


@needs_torch
@pytest.mark.parametrize("detector", ["vitdet", "regnety"])
def test_people_have_hands(tmp_path, data, checkpoint, scene, detector):
    by_boxes = columns(run(tmp_path, scene, options(data, checkpoint, scene)))[1]
    hands = tmp_path / "vitpose.json"
    hands.write_text(json.dumps(by_boxes["box"][:2].tolist()))
    pose = {"config": str(hands), "checkpoint": str(hands)}
    asked = options(data, checkpoint, scene, detector=detector, vitpose=pose)
    by_people = columns(run(tmp_path, scene, asked))[1]
    assert np.array_equal(by_boxes["box"], by_people["box"])
    assert np.array_equal(by_boxes["keypoints_2d"], by_people["keypoints_2d"])
    assert by_people["score"] == pytest.approx(0.9)


@needs_torch
def test_prompts_are_followed_forwards_and_backwards(tmp_path, data, checkpoint, scene):
    by_boxes = columns(run(tmp_path, scene, options(data, checkpoint, scene)))[1]
    prompts = [
        {"frame": 1, "side": row["side"], "box": row["box"]}
        for row in scene[1]
        if row["frame"] == 1
    ]
    sam2 = {"config": "any.yaml", "checkpoint": str(checkpoint), "prompts": prompts}
    asked = options(data, checkpoint, scene, detector="sam2", boxes=None, sam2=sam2)
    by_prompts = columns(run(tmp_path, scene, asked))[1]
    assert np.array_equal(by_boxes["box"], by_prompts["box"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.json", "out.npz", "pictures"]


@needs_torch
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"detectr": "boxes"}, "Unknown option 'detectr'"),
        ({"detector": "yolo"}, "Available: vitdet, regnety, sam2, boxes"),
        ({"checkout": "/nowhere"}, "no folder /nowhere"),
        ({"checkpoint": "/nowhere.ckpt"}, "fetch_demo_data.sh"),
        ({"boxes": "/nowhere.json"}, "boxes: no /nowhere.json"),
        ({"fp16": True}, "expected cuda"),
        ({"mano": "/"}, "Download it from mano.is.tue.mpg.de"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(tmp_path, data, checkpoint, scene, wrong, said):
    asked = options(data, checkpoint, scene)
    with pytest.raises(WorkerError, match=said):
        run(tmp_path, scene, {**asked, **wrong})


@needs_torch
def test_wilor_minis_network_is_asked_and_understood():
    subprocess.run([PYTHON, "-I", "-c", MINI_CHECK, WORKERS / "wilor.py"], check=True)


@needs_torch
def test_weights_of_another_network_are_refused(tmp_path, data, checkpoint, scene):
    other = checkpoint.with_name("other.ckpt")
    code = "import sys, torch; torch.save({'state_dict': {}}, sys.argv[1])"
    subprocess.run([PYTHON, "-I", "-c", code, other], check=True)
    with pytest.raises(WorkerError, match="lacks 1 weights"):
        run(tmp_path, scene, options(data, other, scene))


@needs_hamer
def test_the_real_network_runs_with_random_weights(tmp_path, data, scene):
    path = data / "ckpts" / "checkpoints" / "real.ckpt"
    more = (WORKERS / "parts", CHECKOUT, data / "mano", data / "mano_mean_params.npz")
    subprocess.run([PYTHON, "-I", "-c", REAL_CHECKPOINT, path, *more], check=True)
    asked = options(data, path, scene, checkout=CHECKOUT)
    rows = columns(run(tmp_path, scene, asked))[1]
    path.unlink()
    assert rows["hand_pose"].shape == (6, 15, 3, 3)
    turned = rows["hand_pose"] @ np.swapaxes(rows["hand_pose"], -1, -2)
    assert turned == pytest.approx(np.broadcast_to(np.eye(3), turned.shape), abs=1e-4)
    assert np.isfinite(rows["pred_cam_t_full"]).all()
