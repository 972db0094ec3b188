"""Robot hands: their models, names and kinematics."""
