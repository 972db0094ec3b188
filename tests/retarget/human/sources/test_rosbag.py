"""ROS 2 bags: what was written is read, in the order and at the times of the bag."""

import sys

import numpy as np
import pytest

from handsim.errors import (
    FormatError,
    HandsimError,
    InputError,
    MissingExtraError,
    MissingFileError,
    UnknownNameError,
)
from retarget.human.sources import rosbag
from tests.retarget.human import glove

COLOUR, DEPTH, INFRARED = "/camera/color", "/camera/depth", "/camera/infra1"


def test_without_the_package_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "rosbags.rosbag2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'handsim\[ros\]'"):
        rosbag.topics(tmp_path)
    with pytest.raises(MissingExtraError, match=r"pip install 'handsim\[ros\]'"):
        rosbag.magnetometers(tmp_path)


@pytest.fixture
def rosbags():
    return pytest.importorskip("rosbags")


def picture(store, array, encoding):
    header = store.types["std_msgs/msg/Header"](
        stamp=store.types["builtin_interfaces/msg/Time"](sec=0, nanosec=0), frame_id=""
    )
    data = np.frombuffer(array.tobytes(), np.uint8)
    return store.types[rosbag.PICTURE](
        header=header, height=array.shape[0], width=array.shape[1], encoding=encoding,
        is_bigendian=0, step=array[0].nbytes, data=data,
    )  # fmt: skip


def write(path, rows, plugin="SQLITE3"):
    """A bag with a row of the glove and three pictures every 40 ms."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    layout = store.types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    types = {rosbag.GLOVE: rosbag.ARRAY, **dict.fromkeys((COLOUR, DEPTH, INFRARED), rosbag.PICTURE)}
    with Writer(path, version=9, storage_plugin=StoragePlugin[plugin]) as writer:
        topics = {
            topic: writer.add_connection(topic, type, typestore=store)
            for topic, type in types.items()
        }
        for i, (stamp, row) in enumerate(zip(glove.stamps(len(rows)), rows, strict=True)):
            messages = {
                rosbag.GLOVE: store.types[rosbag.ARRAY](layout=layout, data=row),
                COLOUR: picture(store, colour(i), "bgr8"),
                DEPTH: picture(store, depth(i), "16UC1"),
                INFRARED: picture(store, depth(i).astype(np.uint8), "mono8"),
            }
            for late, (topic, message) in enumerate(messages.items()):
                data = store.serialize_cdr(message, types[topic])
                writer.write(topics[topic], int(stamp) + late, data)
    return path


def colour(i):
    return np.random.default_rng(i).integers(0, 255, (4, 6, 3), dtype=np.uint8)


def depth(i):
    return np.random.default_rng(i).integers(0, 5000, (4, 6), dtype=np.uint16)


@pytest.mark.usefixtures("rosbags")
@pytest.mark.parametrize("plugin", ["SQLITE3", "MCAP"])
def test_a_bag_comes_back(tmp_path, plugin):
    rows = glove.full_message(glove.counts(8))
    bag = write(tmp_path / "bag", rows, plugin)
    assert rosbag.topics(bag)[rosbag.GLOVE] == rosbag.Topic(rosbag.ARRAY, 8)
    readings = rosbag.magnetometers(bag)
    np.testing.assert_array_equal(readings.counts, glove.counts(8))
    np.testing.assert_array_equal(readings.imu, glove.inertial(8))
    np.testing.assert_array_equal(readings.times_ns, glove.stamps(8))
    assert readings.layout == "(N, 2): t_ns, message of shape (65,)"
    np.testing.assert_array_equal(rosbag.receive_times(bag, COLOUR), glove.stamps(8) + 1)
    for i, (stamp, found) in enumerate(rosbag.pictures(bag, COLOUR)):
        assert stamp == glove.stamps(8)[i] + 1
        np.testing.assert_array_equal(found, colour(i)[..., ::-1])
    for i, (_, found) in enumerate(rosbag.pictures(bag, DEPTH)):
        np.testing.assert_array_equal(found, depth(i))
        assert found.dtype == np.uint16
    for i, (_, found) in enumerate(rosbag.pictures(bag, INFRARED)):
        np.testing.assert_array_equal(found, depth(i).astype(np.uint8))


@pytest.mark.usefixtures("rosbags")
def test_a_database_without_its_folder(tmp_path):
    bag = write(tmp_path / "bag", glove.full_message(glove.counts(3)))
    (database,) = bag.glob("*.db3")
    np.testing.assert_array_equal(rosbag.magnetometers(database).counts, glove.counts(3))


@pytest.mark.usefixtures("rosbags")
def test_a_message_that_lacks_a_sensor_is_lost(tmp_path):
    rows = list(glove.full_message(glove.counts(6)))
    rows[2] = rows[2][4:]
    readings = rosbag.magnetometers(write(tmp_path / "bag", rows))
    assert np.isnan(readings.counts[2]).all()
    kept = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(readings.counts[kept], glove.counts(6)[kept])
    np.testing.assert_array_equal(readings.times_ns, glove.stamps(6))
    short = write(tmp_path / "short", [row[:61] for row in rows[:2]])
    with pytest.raises(InputError, match=r"short: /bowie/synced: rows of shape \(61,\)"):
        rosbag.magnetometers(short)


@pytest.mark.usefixtures("rosbags")
def test_what_is_no_bag(tmp_path):
    with pytest.raises(MissingFileError, match="No such bag"):
        rosbag.topics(tmp_path / "none")
    with pytest.raises(FormatError, match="ros2 bag reindex"):
        rosbag.topics(tmp_path)
    bag = write(tmp_path / "bag", glove.full_message(glove.counts(2)))
    with pytest.raises(UnknownNameError, match="Unknown topic '/bowie'. Available: /bowie/synced,"):
        rosbag.magnetometers(bag, "/bowie")
    with pytest.raises(FormatError, match="expected std_msgs/msg/Float32MultiArray"):
        rosbag.magnetometers(bag, COLOUR)
    (database,) = bag.glob("*.db3")
    database.write_bytes(database.read_bytes()[:5000])
    with pytest.raises(FormatError, match="is a damaged bag"):
        rosbag.magnetometers(bag)
    database.write_bytes(b"nothing")
    with pytest.raises(FormatError, match="is a damaged bag"):
        rosbag.topics(database)
    (bag / "metadata.yaml").write_text("a: [")
    with pytest.raises(FormatError, match="is a damaged bag"):
        rosbag.topics(bag)


@pytest.mark.usefixtures("rosbags", "unchecked")
@pytest.mark.parametrize("plugin", ["SQLITE3", "MCAP"])
def test_damaged_bags_are_refused_or_read(tmp_path, plugin):
    bag = write(tmp_path / "bag", glove.full_message(glove.counts(4)), plugin)
    rng, messages = np.random.default_rng(0), []
    for file in bag.iterdir():
        original = np.frombuffer(file.read_bytes(), np.uint8)
        for _ in range(25):
            damaged = original.copy()
            places = rng.integers(0, len(damaged), 3)
            damaged[places] = rng.integers(0, 256, 3)
            file.write_bytes(damaged.tobytes())
            try:
                rosbag.magnetometers(bag)
            except HandsimError as error:
                messages.append(str(error))
        file.write_bytes(original.tobytes())
    assert len(messages) >= 10
    assert not any("\n" in message for message in messages)
