"""A stand-in for SAM 2's predictor of videos, whose masks are the boxes of its prompts."""
