"""Atomic writing: a file or folder appears under its name complete, or not at all.

Content goes to a temporary name in the same folder and is moved over the target at the end. Each
writer has a temporary name of its own: of two that write the same file, the last to finish wins.
A symbolic link stays and its target is replaced; an existing file keeps its mode and owner. What is
not a regular file (a pipe, a device) is written directly and never replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from rcnet_rt.errors import OutputError

__all__ = [
    "AtomicFile",
    "atomic_file",
    "atomic_folder",
    "cannot_be_written",
    "check_output_file",
    "is_special",
    "write_atomically",
]

MAX_LINKS = 40  # as many symbolic links as Linux follows

ADVICE = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or choose another place",
    errno.EFBIG: "free some space or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "the folder must exist",
    errno.ENOTDIR: "the folder must exist",
    errno.EEXIST: "choose a name that is new",
    errno.ENOTEMPTY: "choose a name that is new",
}


class AtomicFile:
    """A file in the making: write to `partial`, then `commit` or `discard`.

    Args:
        path: the name that the file gets.

    Attributes:
        path: as given.
        is_special: whether that is a pipe or a device, which is written directly.
        partial: where to write until then, an empty file with the same ending; `path` itself if
            special.

    Raises:
        OutputError: the folder is missing or not writable, `path` is a folder or read-only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = False
        try:
            self.is_special = is_special(path)
            if self.is_special:
                self.partial = path
                return
            self._target = _link_target(path)
            self._existing = _status(self._target)
            _check_replaceable(path, self._existing)
            self.partial = self._target.with_name(_temporary_name(self._target))
            self._create()
        except OSError as error:
            raise cannot_be_written(path, error) from error
        self._open = True

    def commit(self) -> None:
        """Give the file its name.

        Raises:
            OSError: it cannot be moved into place.
        """
        if self._open:
            os.replace(self.partial, self._target)
            self._open = False

    def discard(self) -> None:
        """Remove what was written; nothing after `commit` or a second time."""
        if self._open:
            self.partial.unlink(missing_ok=True)
            self._open = False

    def _create(self) -> None:
        """Create the temporary file; the kernel applies the umask to a file that is new."""
        os.close(os.open(self.partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if self._existing is not None:
            with contextlib.suppress(OSError):  # only root may give files away
                os.chown(self.partial, self._existing.st_uid, self._existing.st_gid)
            os.chmod(self.partial, stat.S_IMODE(self._existing.st_mode))


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield the path to write to; the file gets its name when the block ends without an error.

    Raises:
        OutputError: it cannot be written; an `OSError` in the block becomes one.
    """
    file = AtomicFile(path)
    try:
        yield file.partial
        file.commit()
    except OSError as error:
        raise cannot_be_written(path, error) from error
    finally:
        file.discard()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(content)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of `path` when the block ends well.

    Raises:
        OutputError: it cannot be written; an `OSError` in the block becomes one.
    """
    target = Path(os.path.realpath(path)) if path.exists() else path
    beside = target.with_name(_temporary_name(target))
    new, old = beside / "new", beside / "old"
    try:
        beside.mkdir()
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(beside, ignore_errors=True)


def check_output_file(path: Path, suffixes: Collection[str] = ()) -> None:
    """Check that a file can be written there, before any work is done.

    Args:
        path: the file.
        suffixes: endings that its name may have, in lower case; any if empty.

    Raises:
        OutputError: the ending is wrong, the folder is missing or not writable, `path` is a folder
            or read-only, or a pipe or device where an ending is asked for.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path} cannot be written: its name must end in one of {' '.join(sorted(suffixes))}"
        )
    try:
        if is_special(path):
            if suffixes:
                raise OutputError(f"{path} is not a regular file; give the name of a file")
            return
        target = _link_target(path)
        folder = Path(os.path.realpath(target.parent))  # fails where the current folder was deleted
        if folder.is_file():
            raise OutputError(
                f"{path} cannot be written: {target.parent} is a file; choose a folder"
            )
        if not folder.is_dir():
            raise OutputError(f"the folder of {path} does not exist; create {target.parent} first")
        _check_replaceable(path, _status(target))
        if not os.access(folder, os.W_OK):
            raise OutputError(f"the folder of {path} is not writable; choose another place")
    except OSError as error:
        raise cannot_be_written(path, error) from error


def is_special(path: Path) -> bool:
    """Return whether `path` is a pipe, a device or the like, which is written directly.

    Raises:
        OutputError: it names an open descriptor (/dev/stdout) that is redirected to a file.
    """
    status = _status(path)
    if status is None or stat.S_ISDIR(status.st_mode):
        return False
    if not stat.S_ISREG(status.st_mode):
        return True
    if any(map(_is_descriptor, _steps(path))):
        raise OutputError(f"{path} is redirected to a file; give the name of that file instead")
    return False


def cannot_be_written(path: Path, error: BaseException) -> OutputError:
    """Return the error that says why a file cannot be written and what to do."""
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or str(error)
    advice = ADVICE.get(number or 0, "choose another place")
    return OutputError(f"{path} cannot be written ({reason}); {advice}")


def _check_replaceable(path: Path, existing: os.stat_result | None) -> None:
    if existing is None:
        return
    if stat.S_ISDIR(existing.st_mode):
        raise OutputError(f"{path} is a folder; give the name of a file")
    # Root may write anything, so that the bits are looked at.
    if not existing.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise OutputError(f"{path} is read-only; make it writable or choose another name")


def _link_target(path: Path) -> Path:
    """Return what a chain of symbolic links ends in, whether that exists or not."""
    return list(_steps(path))[-1]


def _steps(path: Path) -> Iterator[Path]:
    """Yield a path and then what each symbolic link leads to."""
    yield path
    for _ in range(MAX_LINKS):
        if not path.is_symlink():
            return
        path = path.parent / os.readlink(path)
        yield path
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_descriptor(path: Path) -> bool:
    return os.path.realpath(path.parent).startswith(("/proc/", "/dev/fd"))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _temporary_name(target: Path) -> str:
    """Return a hidden unique name with the same ending, short enough for any file system."""
    suffix = target.suffix if len(target.suffix) <= 8 else ""
    return f".{target.stem[:32]}.{secrets.token_hex(4)}.partial{suffix}"
