"""A stand-in for the two functions of ViTPose's mmpose that the worker calls."""
