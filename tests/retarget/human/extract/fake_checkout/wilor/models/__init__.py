from hamer.models import HAMER as WiLoR

__all__ = ["WiLoR"]
