"""The published comparison: motions × hands × methods."""
