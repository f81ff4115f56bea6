"""`replacing`: a file takes the place of another only once it is complete.

What is written goes to a temporary file beside the target: its name cannot be guessed, it is made anew (no link is followed), and
the process that writes holds a lock on it. So whoever saves next to the same target can tell what a killed process has left behind,
and clears it away. Read next: `serialization/__init__.py`, which saves through here.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where a file that somebody has open cannot be removed anyway
    fcntl = None

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to, which becomes `path` when the block ends without an error; else `path` is left as it was.

    A link stays a link: what it points to is replaced. The new file has the old one's mode and, if this may be, its owner. Where no
    file can be replaced (a device, a folder that one may not write to) its content is, at the end. RuntimeError, as in torch, if
    `path` cannot be written to.
    """
    target = os.path.realpath(path)
    try:
        old = _writable(target)
        replaceable = old is None or stat.S_ISREG(old.st_mode)
        temporary = _temporary(target, old) if replaceable else None
    except OSError as error:
        raise RuntimeError(f"save: cannot write to {os.fspath(path)!r}: {error.strerror}") from error
    if temporary is None:
        buffer = (
            io.BytesIO()
        )  # not the file itself: nothing of it is lost if what comes into it fails, and zipfile looks back
        yield buffer
        with open(target, "wb") as there:
            there.write(buffer.getbuffer())
        return
    file, name = temporary
    try:
        with file:
            yield file
            file.flush()
            if fcntl is None:
                file.close()
            os.replace(name, target)  # while the lock is held
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _writable(target: str) -> os.stat_result | None:
    """What is known of the file at `target`, None if there is none yet; OSError if it may not be written to."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(old.st_mode) or stat.S_ISDIR(old.st_mode):
        os.close(os.open(target, os.O_WRONLY))
    return old


def _temporary(target: str, old: os.stat_result | None) -> tuple[IO[bytes], str] | None:
    """A new file beside `target`, locked, with the mode it is to have, and its name; None if only the folder refuses."""
    import hashlib  # not at the start: `import minitorch` is to be quick
    import secrets

    folder, name = os.path.split(target)
    beginning = f".minitorch-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}-"  # short, however long the name is
    _clear_away(folder, beginning)
    while True:
        path = os.path.join(folder, f"{beginning}{secrets.token_hex(8)}.tmp")
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666 if old is None else 0o600)
        except PermissionError:
            if old is None:
                raise
            return None
        file = os.fdopen(number, "w+b")
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not os.fstat(number).st_nlink:  # somebody who saves to the same target was faster than the lock
                file.close()
                continue
        if old is not None:
            with contextlib.suppress(OSError, AttributeError):
                os.fchown(number, old.st_uid, old.st_gid)
            os.chmod(number if os.chmod in os.supports_fd else path, stat.S_IMODE(old.st_mode))
        return file, path


def _clear_away(folder: str, beginning: str) -> None:
    """Remove temporary files of the same target that nobody writes any more."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(beginning) and entry.name.endswith(".tmp") and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):  # BlockingIOError: a living process holds the lock
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    number = os.open(path, os.O_RDWR | _NO_LINKS)
    try:
        if fcntl is not None:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
    finally:
        os.close(number)
    if fcntl is None:
        os.unlink(path)
