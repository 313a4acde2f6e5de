"""One PostgreSQL server process: its cluster, its start, its readiness, its leftovers and its stop.

Only the supervisor uses this, under the lock that makes it the sole owner of the place.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from db.embedded_place import PORT, EmbeddedPostgresError, Place, reachable_binaries

ROLE = "protenders"
DATABASE = "protenders"
_SUPERUSER = "postgres"
_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 20.0
_LOG_SECONDS = 7 * 86_400.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": "",  # filled in: how leftovers are recognised
    "max_connections": "200",
    "shared_buffers": "128MB",
    "dynamic_shared_memory_type": "mmap",  # needs no /dev/shm, and leaves nothing outside the data directory
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # The password is 256 random bits; stretching it would only make each connection slower.
    "scram_iterations": "16",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0600",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_line_prefix": "%m [%p] %a ",
    "log_min_duration_statement": "5s",
    "log_parameter_max_length": "0",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_HBA = f"local all {ROLE} scram-sha-256\n"
# One statement a line, as single-user mode wants it. It carries on after "already exists".
_ACCOUNTS = f"""\
CREATE ROLE {ROLE} LOGIN CREATEDB
GRANT pg_monitor, pg_checkpoint, pg_signal_backend TO {ROLE}
ALTER ROLE {ROLE} PASSWORD '%s'
CREATE DATABASE {DATABASE} OWNER {ROLE}
"""


@dataclass(frozen=True)
class _Process:
    pid: int
    command: str


class Server:
    """The postmaster of one place; at most one is alive at a time."""

    def __init__(self, place: Place, *, durable: bool = True) -> None:
        """`durable=False` trades the safety of the data on power loss for speed: tests only."""
        self._place = place
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
        self._name = "protenders-" + hashlib.sha256(os.fsencode(place.server)).hexdigest()[:12]
        self._bin = reachable_binaries(place.account)
        self._process: subprocess.Popen[bytes] | None = None
        # Loaded here because little is safe between fork and exec.
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def start(self) -> None:
        """Create the cluster if there is none and start the server; it is ready when `ready()` says so."""
        self.clear_leftovers()
        if not (self._place.data / "PG_VERSION").exists():
            self._create_cluster()
        self._check_version()
        self._drop_old_logs()
        hba = self._place.server / "pg_hba.conf"
        hba.write_text(_HBA)
        hba.chmod(0o644)
        if self._place.new_password_file.exists():
            self._tell_password()
        settings = self._settings | {
            "cluster_name": self._name,
            "unix_socket_directories": str(self._place.run),
            "port": str(PORT),
            "hba_file": str(hba),
            "log_directory": str(self._place.log),
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        self._process = self._run("postgres", "-D", str(self._place.data), *arguments, dies_by=signal.SIGINT)

    def ready(self) -> bool:
        """Whether the running postmaster accepts connections, as it says itself in its pid file."""
        if self._process is None:
            return False
        try:
            lines = (self._place.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"

    def ended(self) -> bool:
        """Whether the postmaster has died."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Stop in good order; if that takes too long, at once (the next start then recovers from the log)."""
        if self._process is None:
            return
        for how, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if self._process.poll() is None:
                self._process.send_signal(how)
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self._process = None

    def last_words(self) -> str:
        """The end of the server's own log, for an error message."""
        logs = sorted(self._place.log.glob("*.log"), key=lambda path: path.stat().st_mtime)
        texts = [path.read_text(errors="replace") for path in (*logs[-1:], self._place.supervisor_log)]
        lines = [line for text in texts for line in text.splitlines() if "FATAL" in line or "PANIC" in line]
        return lines[-1] if lines else f"see {self._place.log}"

    def clear_leftovers(self) -> None:
        """End what a killed postmaster or supervisor left running: no new postmaster starts beside that."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        for how, seconds in ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0)):
            self._signal_leftovers(how)
            if _until(self._alone, seconds):
                break
        else:
            left = ", ".join(str(process.pid) for process in self._leftovers())
            message = f"processes of an earlier server do not end: {left}; end them by hand"
            raise EmbeddedPostgresError(message)
        self._forget_reused_pid()

    def _signal_leftovers(self, how: signal.Signals) -> None:
        for process in self._leftovers():
            try:
                os.kill(process.pid, how)
            except ProcessLookupError:
                continue

    def _alone(self) -> bool:
        return next(self._leftovers(), None) is None

    def _leftovers(self) -> Iterator[_Process]:
        """Postmasters on our data directory, and any process that carries our cluster's name in its title."""
        for process in _processes(os.geteuid() if self._place.account is None else self._place.account.uid):
            program, _, rest = process.command.partition(" ")
            if process.command.startswith(f"postgres: {self._name}: ") or (
                program.endswith("/postgres") and f"-D {self._place.data} " in f"{rest} "
            ):
                yield process

    def _forget_reused_pid(self) -> None:
        """Drop a pid file whose number another program has got since: PostgreSQL would take that for us.

        Ours are gone (`clear_leftovers`) and the supervisor's lock keeps others away.
        """
        file = self._place.data / "postmaster.pid"
        try:
            pid = int(file.read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return
        file.unlink(missing_ok=True)

    def _create_cluster(self) -> None:
        """Make the cluster beside its final name, then move it there whole: a killed initdb does no harm."""
        for half in self._place.cluster.glob("init-*"):
            shutil.rmtree(half, ignore_errors=True)
        shutil.rmtree(self._place.data, ignore_errors=True)
        draft = self._place.cluster / f"init-{secrets.token_hex(8)}"
        # With "reject" nobody but the rule in our own pg_hba.conf gets in.
        process = self._run(
            "initdb",
            *("-D", str(draft), "-U", _SUPERUSER, "--auth=reject", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *(() if self._settings.get("fsync") != "off" else ("--no-sync",)),
            dies_by=signal.SIGKILL,
        )
        if process.wait() != 0:
            message = f"initdb failed: see {self._place.supervisor_log}; is the disk full?"
            raise EmbeddedPostgresError(message)
        if not self._place.new_password_file.exists():
            # A new cluster knows no password, not even the one that its predecessor had.
            self._place.password_file.replace(self._place.new_password_file)
        draft.rename(self._place.data)
        directory = os.open(self._place.cluster, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _drop_old_logs(self) -> None:
        """For servers that are never up at midnight, when PostgreSQL itself begins a weekday's log anew."""
        for log in self._place.log.glob("*.log"):
            if log.stat().st_mtime < time.time() - _LOG_SECONDS:
                log.unlink(missing_ok=True)

    def _check_version(self) -> None:
        ours = self._bin.parent.name.removeprefix("pginstall")
        found = (self._place.data / "PG_VERSION").read_text().strip()
        if found != ours:
            raise EmbeddedPostgresError(
                f"{self._place.data} is from PostgreSQL {found}, this release brings {ours}: back it up with "
                "the earlier release, move the directory away and restore (docs/deploy.md)"
            )

    def _tell_password(self) -> None:
        """Give our role the new password, in single-user mode: no connection is possible before that."""
        draft = self._place.new_password_file
        script = _ACCOUNTS % draft.read_text().strip()
        single = self._run(
            "postgres", "--single", "-D", str(self._place.data), "postgres", dies_by=signal.SIGINT, stdin=True
        )
        single.communicate(script.encode())
        if single.returncode != 0:
            message = f"PostgreSQL cannot open its data: {self.last_words()}"
            raise EmbeddedPostgresError(message)
        draft.replace(self._place.password_file)

    def _run(
        self, program: str, *arguments: str, dies_by: signal.Signals, stdin: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a program as the server's account, in a clean environment; it dies when this process does."""
        libc, parent = self._libc, os.getpid()

        def follow_parent() -> None:
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, dies_by)
                if os.getppid() != parent:
                    os.kill(os.getpid(), signal.SIGKILL)

        return subprocess.Popen(
            [str(self._bin / program), *arguments],
            cwd=self._place.cluster,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            preexec_fn=follow_parent,  # noqa: PLW1509  (the supervisor has one thread)
            umask=0o077,
            **({} if self._place.account is None else self._place.account.process()),
        )


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _processes(uid: int) -> Iterator[_Process]:
    """The running processes of that account with their command lines."""
    proc = Path("/proc")
    if not (proc / "self" / "cmdline").exists():
        listed = subprocess.run(
            ["ps", "-axww", "-o", "uid=,pid=,command="], capture_output=True, text=True, check=True
        )
        for line in listed.stdout.splitlines():
            owner, pid, command = line.split(None, 2)
            if int(owner) == uid:
                yield _Process(int(pid), command)
        return
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid != uid:
                continue
            raw = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        yield _Process(int(entry.name), raw.replace(b"\0", b" ").decode(errors="replace").strip())
