"""How an objective is minimised: one solver a file."""
