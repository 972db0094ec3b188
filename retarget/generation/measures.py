"""The scores of episodes: those of a retargeting, and those of what was done with an object."""

from collections.abc import Mapping

from retarget.metrics import METRICS, Metric

GRASP: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "success", "1", "higher", "1 if the object was taken to the end of its path, else 0."
        ),
        Metric("touching_percent", "%", "higher", "Steps in which thumb and a finger touch."),
        Metric("object_error_mm", "mm", "lower", "Mean distance of the object from its path."),
        Metric("penetration_mm", "mm", "lower", "How deep hand and object overlap at most."),
        Metric("mean_reward", "1", "higher", "Mean reward of a step."),
    )
}
"""Of `handsim/Grasp-v0`."""

MEASURES: Mapping[str, Metric] = {**METRICS, **GRASP}
"""All of them, by name."""
