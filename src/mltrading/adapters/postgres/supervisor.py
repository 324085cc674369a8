"""The process that owns an embedded PostgreSQL server: its parent, its restarter, its end.

Run as a file by `python -I -S`, standard library only, so that it stays small. Two forms:

    supervisor.py run IDENTITY COMMAND [ARGUMENT...]
        become IDENTITY and execute the command (initdb).
    supervisor.py serve FOLDER IDENTITY READY_FD POSTGRES [ARGUMENT...]
        detach, keep the server running until no process holds FOLDER/users.lock, then shut it down.

IDENTITY is how a server that refuses root is started: `same` as who runs this, `namespace` (root
mapped to an ordinary user inside a user namespace: files stay root's) or `UID:GID`.

READY_FD is a pipe: the starter writes one byte once a connection succeeded. A server that dies
before that ends the supervisor too, so that the starter can say why; later it is started again.
"""

from __future__ import annotations

import _thread
import ctypes
import fcntl
import os
import signal
import struct
import sys
import time

LOG_LIMIT = 16 * 1024 * 1024
ORPHAN_WAIT_SECONDS = 60.0
STOP_LIMIT_SECONDS = 60.0
RESTART_WAIT_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_AFTER_SECONDS = 30.0

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_NOBODY = 65534


def become(identity: str) -> None:
    """Change this process to `identity`, for good. OSError where the system refuses."""
    if identity == "same":
        return
    if identity == "namespace":
        _enter_user_namespace()
    else:
        uid, gid = identity.split(":")
        _switch_user(int(uid), int(gid))


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_NOBODY} {uid} 1"),
        ("gid_map", f"{_NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _switch_user(uid: int, gid: int) -> None:
    """Drop root but keep the right to reach files: home folders of root are closed to others,
    and opening them (chmod) would be worse than this one capability."""
    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    bit = 1 << _CAP_DAC_OVERRIDE
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    try:
        _call("capset", header, struct.pack("=6I", bit, bit, bit, 0, 0, 0))
        _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
    except OSError:
        pass  # a container without this capability: works where the folders are open to the user


def is_postmaster(pid: int, data: str) -> bool:
    """Whether `pid` is a live server of that data folder; a zombie or another program is not."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return data.encode() in file.read().split(b"\0")
    except OSError:
        return False


def recorded_pid(path: str) -> int:
    """The process id on the first line of a lock file of PostgreSQL; 0 where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return abs(int(file.readline()))
    except (OSError, ValueError):
        return 0


def clear_remains(data: str, sockets: str) -> None:
    """Make the folder ready for a start after any end of an earlier server.

    Waits for a server that is still shutting down, ends leftover children of a killed one, and
    removes lock files whose process id now belongs to nobody or to another program.
    """
    os.makedirs(sockets, 0o700, exist_ok=True)  # /tmp may have been tidied
    lock = os.path.join(data, "postmaster.pid")
    deadline = time.monotonic() + ORPHAN_WAIT_SECONDS
    while is_postmaster(recorded_pid(lock), data) and time.monotonic() < deadline:
        time.sleep(0.02)
    if is_postmaster(recorded_pid(lock), data):
        return  # PostgreSQL itself will refuse to start beside it, and say so
    _end_children_of_killed_server(data)
    socket_locks = [
        os.path.join(sockets, name)
        for name in os.listdir(sockets)
        if name.startswith(".s.PGSQL.") and name.endswith(".lock")
    ]
    for path in (lock, *socket_locks):
        if os.path.exists(path) and not is_postmaster(recorded_pid(path), data):
            os.unlink(path)


def _end_children_of_killed_server(data: str) -> None:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                ours = file.read().startswith(b"postgres: ")
            if ours and os.readlink(f"/proc/{entry}/cwd") == data:
                os.kill(int(entry), signal.SIGQUIT)
        except OSError:
            continue  # it ended meanwhile, or belongs to another user and so to another server


class _Supervisor:
    """Keeps one server running while somebody uses the folder."""

    def __init__(self, folder: str, identity: str, ready: int, command: list[str]) -> None:
        self._folder = folder
        self._data = os.path.join(folder, "data")
        self._sockets = self._data
        for argument in command:
            if argument.startswith("unix_socket_directories="):
                self._sockets = argument.partition("=")[2]
        self._identity = identity
        self._ready = ready
        self._command = command
        self._guard = _thread.allocate_lock()
        self._stop_asked = _thread.allocate_lock()  # held until a stop is asked for
        self._stop_asked.acquire()
        self._server = 0
        self._stopping = False
        self._proven = False

    def run(self) -> None:
        _thread.start_new_thread(self._stop_after_last_user, ())
        failures = 0
        while True:
            clear_remains(self._data, self._sockets)
            with self._guard:
                if self._stopping:
                    return
                self._server = self._launch()
            started = time.monotonic()
            self._await_end()
            steady = time.monotonic() - started > STEADY_AFTER_SECONDS
            if not steady and not self._was_ready():
                return
            failures = 0 if steady else failures + 1
            longest = len(RESTART_WAIT_SECONDS) - 1
            if self._stop_asked.acquire(timeout=RESTART_WAIT_SECONDS[min(failures, longest)]):
                return

    def _launch(self) -> int:
        self._redirect_output()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                become(self._identity)
                # After every change of identity: the kernel forgets it at each.
                _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
                if os.getppid() == me:
                    os.execv(self._command[0], self._command)
            except OSError as error:
                os.write(2, f"FATAL:  {error}\n".encode())
            os._exit(126)
        return pid

    def _redirect_output(self) -> None:
        path = os.path.join(self._folder, "server.log")
        if os.path.exists(path) and os.path.getsize(path) > LOG_LIMIT:
            os.replace(path, path + ".1")
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)

    def _await_end(self) -> None:
        # Not reaped before the guard is held, so that the pid can not be another's when signalled.
        os.waitid(os.P_PID, self._server, os.WEXITED | os.WNOWAIT)
        with self._guard:
            os.waitpid(self._server, 0)
            self._server = 0

    def _was_ready(self) -> bool:
        if not self._proven:
            try:
                self._proven = os.read(self._ready, 1) != b""
            except BlockingIOError:
                self._proven = False
        return self._proven

    def _stop_after_last_user(self) -> None:
        try:
            self._await_last_user()
        except OSError:
            pass  # somebody removed the folder: nothing is left to serve
        with self._guard:
            self._stopping = True
            self._stop_asked.release()
            if self._server:
                os.kill(self._server, signal.SIGINT)  # "fast": ends sessions, loses nothing
        time.sleep(STOP_LIMIT_SECONDS)  # this thread ends with the process
        with self._guard:
            if self._server:  # seen where the disk was full: it waits for its checkpointer for ever
                os.kill(self._server, signal.SIGQUIT)  # the next start recovers from the log

    def _await_last_user(self) -> None:
        """Both locks are kept until the process ends: a starter waits for the end of the stop."""
        while True:
            users = self._open("users.lock")
            fcntl.flock(users, fcntl.LOCK_EX)
            os.close(users)
            gate = self._open("start.lock")
            fcntl.flock(gate, fcntl.LOCK_EX)
            users = self._open("users.lock")
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:  # a new user came in between
                os.close(users)
                os.close(gate)

    def _open(self, name: str) -> int:
        return os.open(os.path.join(self._folder, name), os.O_RDWR | os.O_CREAT, 0o600)


def serve(folder: str, identity: str, ready: int, command: list[str]) -> None:
    """Take the folder, detach and supervise; exit code 1 where another one is at work."""
    lock = os.open(os.path.join(folder, "supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    if not _take_lock(lock):
        sys.exit(1)
    # The child inherits the lock, so it is held when the starter gets the exit code of this
    # process; and being nobody's child it neither disturbs gunicorn nor becomes its zombie.
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.set_blocking(ready, False)
    os.set_inheritable(ready, False)
    _Supervisor(folder, identity, ready, command).run()


def _take_lock(lock: int) -> bool:
    """Try for a moment: somebody may just be looking whether it is held."""
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.01)
    return False


def main(arguments: list[str]) -> None:
    form, *rest = arguments
    if form == "serve":
        folder, identity, ready, *command = rest
        serve(folder, identity, int(ready), command)
    else:
        identity, *command = rest
        become(identity)
        os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
