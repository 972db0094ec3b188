"""Videos and pictures: their size and length, from their headers."""

import re
import subprocess
import warnings
from pathlib import Path

import imageio_ffmpeg
from PIL import Image, UnidentifiedImageError

from handsim.errors import FormatError
from retarget.inspection.report import Part, Video

_PATIENCE = 60.0
_STREAM = re.compile(r"Stream #\S+: Video: (\w+).*?, (\d{1,5})x(\d{1,5})\b(.*)")
_RATE = re.compile(r"([\d.]+) fps")
_FRAMES = re.compile(r"frame=\s*(\d+)")
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


def probe_video(path: Path) -> Video:
    """What ffmpeg says of a video whose frames it counts without decoding them.

    Raises:
        FormatError: it is no video, or counting takes more than a minute.
    """
    only = ["-map", "0:v:0", "-c", "copy", "-f", "null", "-"]
    safe = ["-hide_banner", "-nostdin", "-protocol_whitelist", "file"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *safe, "-i", f"file:{path.resolve()}", *only]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise FormatError(f"{path} takes more than {_PATIENCE:.0f} s to look at.") from error
    said = done.stderr.decode(errors="replace")
    stream, counts = _STREAM.search(said), _FRAMES.findall(said)
    if done.returncode or stream is None or not counts:
        reason = said.strip().splitlines()[-1:] or ["ffmpeg says nothing"]
        raise FormatError(f"{path} is no readable video: {reason[0].strip()[:200]}.")
    codec, width, height, rest = stream.groups()
    rate, length = _RATE.search(rest), _DURATION.search(said)
    duration = 0.0
    if length is not None:
        hours, minutes, seconds = length.groups()
        duration = 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)
    fps = float(rate.group(1)) if rate is not None else 0.0
    return Video(int(width), int(height), fps, int(counts[-1]), duration, codec)


def picture_part(path: Path) -> Part:
    """Size and kind of a picture, by its header.

    Raises:
        FormatError: it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                shape = (image.height, image.width, len(image.getbands()))
                return Part("", f"{image.format} picture", shape, image.mode)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Warning) as error:
        reason = " ".join(str(error).split())[:120]
        raise FormatError(f"{path} is no readable picture: {reason}.") from error
