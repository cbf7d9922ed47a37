from . import people, invitations, factors, keys, sessions, trail  # noqa: I001 (the order of the navigation)

__all__ = ["factors", "invitations", "keys", "people", "sessions", "trail"]
