"""The person: keypoints, motions, MANO and the files they come in. Knows nothing of robots."""
