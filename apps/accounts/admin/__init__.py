from . import people, keys, sessions, trail  # noqa: I001 (the order of the navigation)

__all__ = ["keys", "people", "sessions", "trail"]
