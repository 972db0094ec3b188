"""The errors handsim and retarget raise: one line each, saying what, the value and the choices."""

from collections.abc import Iterable


class HandsimError(Exception):
    """Anything this project refuses to do; the command line prints it and exits with code 2."""


class InputError(HandsimError, ValueError):
    """A value, shape or content that does not mean anything here."""


class UnknownNameError(InputError):
    """A name that is not in the catalogue it was looked up in."""


class FormatError(InputError):
    """A file whose content is not what its format promises, or that would be unsafe to read."""


class MissingFileError(HandsimError, FileNotFoundError):
    """A file or folder that does not exist."""


class OutputError(HandsimError, OSError):
    """A place that cannot be written to."""


class MissingExtraError(HandsimError, ImportError):
    """An optional package or system library is absent; the message carries the remedy."""


class WorkerError(HandsimError, RuntimeError):
    """A program in an environment of its own that failed; the message quotes what it said."""


def unknown(kind: str, name: object, choices: Iterable[str]) -> UnknownNameError:
    """The error for a `name` that is no `kind`, listing the `choices`.

    >>> str(unknown("hand", "shadw", ["ability", "shadow"]))
    "Unknown hand 'shadw'. Available: ability, shadow."
    """
    return UnknownNameError(f"Unknown {kind} {name!r}. Available: {', '.join(sorted(choices))}.")
