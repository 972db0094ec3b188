from hamer.configs import get_config

__all__ = ["get_config"]
