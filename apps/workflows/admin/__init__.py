from . import workflows, runs, steps, versions  # noqa: I001 (the order of the navigation)

__all__ = ["runs", "steps", "versions", "workflows"]
