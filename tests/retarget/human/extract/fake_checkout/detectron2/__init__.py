"""A stand-in for the few names of detectron2 that the worker uses."""
