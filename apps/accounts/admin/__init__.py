from . import people, factors, keys, sessions, trail  # noqa: I001 (the order of the navigation)

__all__ = ["factors", "keys", "people", "sessions", "trail"]
