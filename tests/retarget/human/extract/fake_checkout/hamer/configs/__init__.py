from yacs.config import CfgNode


def get_config(config_file, merge=True, update_cachedir=False):
    cfg = CfgNode(new_allowed=True)
    cfg.merge_from_file(config_file)
    cfg.freeze()
    return cfg
