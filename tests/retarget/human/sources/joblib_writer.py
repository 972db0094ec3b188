"""Pickles as joblib writes them: the bytes of an array after its pickled description."""

import io
import pickle
import sys
import types

import numpy as np


class NumpyArrayWrapper:
    """What joblib pickles in place of an array."""


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


class _Pickler(pickle._Pickler):
    def __init__(self, file, protocol, alignment):
        super().__init__(file, protocol)
        self.file, self.alignment = file, alignment

    def save(self, obj, save_persistent_id=True):
        if type(obj) is not np.ndarray:
            return super().save(obj, save_persistent_id)
        wrapper = NumpyArrayWrapper()
        wrapper.subclass, wrapper.shape, wrapper.dtype = np.ndarray, obj.shape, obj.dtype
        wrapper.order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
        wrapper.allow_mmap = True
        if self.alignment:
            wrapper.numpy_array_alignment_bytes = self.alignment
        super().save(wrapper)
        if self.proto >= 4:
            self.framer.commit_frame(force=True)
        if self.alignment:
            length = self.alignment - (self.file.tell() + 1) % self.alignment
            self.file.write(bytes([length]) + b"\xff" * length)
        return self.file.write(obj.tobytes(order=wrapper.order))


def dumps(value, protocol=3, alignment=None):
    """The bytes joblib writes; `alignment` is 16 since joblib 1.2."""
    file = io.BytesIO()
    modules = {"joblib": types.ModuleType("joblib"), "joblib.numpy_pickle": sys.modules[__name__]}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        _Pickler(file, protocol, alignment).dump(value)
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    return file.getvalue()
