from . import people, invitations, factors, keys, sessions, notifications, trail  # noqa: I001 (the order of the navigation)

__all__ = ["factors", "invitations", "keys", "notifications", "people", "sessions", "trail"]
