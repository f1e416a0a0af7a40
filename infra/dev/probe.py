#!/usr/bin/env python3
"""Tries, from inside a unit, what its hardening forbids, and prints a line for each attempt.

Run by infra/dev/probe.sh in a box. Every attempt is harmless where it succeeds: what it would change it changes to
what it is, opens without writing, or does in a child that ends.
"""
import ctypes
import errno
import json
import mmap
import os
import shutil
import signal
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MEMORY_KEY = 0x436E7374


def surroundings():
    """Sockets and shared memory of somebody else's, until it is ended."""
    listeners = []
    for path in ["\0constintel-probe", "/run/constintel/operator.sock"]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1024)
        listeners.append(listener)
    LIBC.shmget(MEMORY_KEY, ctypes.c_size_t(4096), 0o1666)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    signal.pause()


if sys.argv[1:] == ["--surroundings"]:
    surroundings()
FACTS = json.load(open(os.path.dirname(os.path.abspath(__file__)) + "/probe.json"))
OTHER, OWN_STATE = FACTS["other"], os.environ.get("STATE_DIRECTORY", "/tmp")
# What the kernel answers who may not, or may not see.
REFUSALS = {
    errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EAFNOSUPPORT, errno.ECONNREFUSED, errno.ESRCH,
}
ATTEMPTS = {}


def attempt(name):
    def add(function):
        ATTEMPTS[name] = function
        return function
    return add


def call(function, *arguments):
    """Calls a function of the C library; raises OSError where it answers -1."""
    ctypes.set_errno(0)
    if getattr(LIBC, function)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system_call(number, *arguments):
    call("syscall", ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])


def in_child(function):
    """Runs in a child, whose end tells what became of it."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(254)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        raise PermissionError(errno.EPERM, f"killed by signal {os.WTERMSIG(status)}")
    code = os.WEXITSTATUS(status)
    if code:
        raise OSError(code, os.strerror(code))


def status(field):
    """A hexadecimal field of this process's status."""
    for line in open("/proc/self/status"):
        name, _, value = line.partition(":")
        if name == field:
            return int(value, 16)


class Absent(Exception):
    """This kernel has nothing that could be tried."""


def touch(path):
    with open(path, "a"):
        pass
    if path.endswith("constintel-probe"):
        os.unlink(path)


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(path)


def execute(path):
    in_child(lambda: os.execv(path, [path]))


def execute_copy(directory):
    path = directory + "/constintel-probe-true"
    shutil.copy("/usr/bin/true", path)
    os.chmod(path, 0o700)
    try:
        execute(path)
    finally:
        os.unlink(path)


for place in ["/etc", "/usr", "/usr/lib/constintel", FACTS["libraries"], "/var/lib", "/var/log", "/run", "/root", "/boot"]:
    ATTEMPTS[f"write a file in {place}"] = lambda place=place: touch(f"{place}/constintel-probe")
for path in FACTS["unreadable"]:
    ATTEMPTS[f"read {path}"] = lambda path=path: read(path)
for path in FACTS["sockets"]:
    ATTEMPTS[f"connect to {path}"] = lambda path=path: connect(path)


@attempt("connect to an abstract socket of the machine")
def _(): connect("\0constintel-probe")


@attempt("see another brand's process in /proc")
def _(): os.stat(f"/proc/{OTHER}")


@attempt("read another brand's command line")
def _(): read(f"/proc/{OTHER}/cmdline")


@attempt("read what is not about processes in /proc")
def _(): read("/proc/version")


@attempt("signal another brand's process")
def _(): os.kill(OTHER, 0)


@attempt("trace another brand's process")
def _():
    call("ptrace", 0x4206, OTHER, None, None)


@attempt("trace itself")
def _(): in_child(lambda: call("ptrace", 0, 0, None, None))


@attempt("read another process's memory")
def _():
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    try:
        system_call(310, OTHER, vector, 1, vector, 1, 0)
    except OSError as error:
        # Who may read is told that our address is none of the other's.
        if error.errno != errno.EFAULT:
            raise


for family in ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"]:
    ATTEMPTS[f"open a socket of {family}"] = lambda family=family: socket.socket(
        getattr(socket, family), socket.SOCK_RAW if family in ("AF_PACKET", "AF_NETLINK") else socket.SOCK_STREAM
    ).close()


@attempt("mount a file system")
def _():
    place = (OWN_STATE + "/mount").encode()
    os.makedirs(place, exist_ok=True)
    call("mount", b"tmpfs", place, b"tmpfs", 0, None)
    call("umount2", place, 2)


@attempt("open a file system to mount")
def _(): system_call(430, ctypes.c_char_p(b"tmpfs"), 0)


@attempt("change the root directory")
def _(): in_child(lambda: os.chroot("/tmp"))


for name, flag in {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "process": 0x20000000,
                   "host name": 0x4000000, "IPC": 0x8000000, "control group": 0x2000000}.items():
    ATTEMPTS[f"make a namespace ({name})"] = lambda flag=flag: in_child(lambda: call("unshare", flag))


@attempt("enter process 1's namespaces")
def _(): in_child(lambda: call("setns", os.open("/proc/1/ns/uts", os.O_RDONLY), 0))


@attempt("map memory that can be written and run")
def _():
    mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


@attempt("make written memory runnable")
def _():
    memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    call("mprotect", ctypes.c_void_p(address), 4096, 5)


@attempt("run a shell")
def _(): execute("/bin/sh")


@attempt("run a program of the system")
def _(): execute("/usr/bin/true")


for place in ["/tmp", "/run", "/run/constintel", "/dev/shm", OWN_STATE]:
    label = "its state directory" if place == OWN_STATE else place
    ATTEMPTS[f"run a file from {label}"] = lambda place=place: execute_copy(place)


@attempt("map a file of its own to run")
def _():
    with open(OWN_STATE + "/constintel-probe-code", "wb+") as file:
        file.write(b"\xc3" * 4096)
        file.flush()
        mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)


@attempt("run a program from memory")
def _():
    descriptor = os.memfd_create("probe", 0)
    with open("/usr/bin/true", "rb") as file:
        os.write(descriptor, file.read())
    in_child(lambda: os.execve(descriptor, ["true"], {}))


@attempt("run a program through the loader")
def _():
    try:
        in_child(lambda: os.execv(FACTS["loader"], [FACTS["loader"], "/usr/bin/true"]))
    except OSError as error:
        # The loader's own exit status when it could not map the program.
        if error.errno == 127:
            raise PermissionError(errno.EPERM, "the loader could not map it") from error
        raise


@attempt("become root")
def _(): in_child(lambda: (os.setgid(0), os.setuid(0)))


@attempt("become another user")
def _(): in_child(lambda: os.setuid(33))


@attempt("join another group")
def _(): in_child(lambda: os.setgroups([33]))


@attempt("give a file away")
def _():
    touch_own("given")
    os.chown(OWN_STATE + "/given", 33, 33)


@attempt("make a file that runs as its owner")
def _():
    touch_own("suid")
    os.chmod(OWN_STATE + "/suid", 0o4755)


def touch_own(name):
    with open(f"{OWN_STATE}/{name}", "a"):
        pass


@attempt("make a device")
def _():
    path = OWN_STATE + "/device"
    if os.path.exists(path):
        os.unlink(path)
    os.mknod(path, 0o60600, os.makedev(7, 0))


@attempt("open a device of the machine")
def _(): os.close(os.open("/dev/constintel-probe", os.O_RDWR))


@attempt("hold a capability")
def _():
    if status("CapEff") == 0 and status("CapBnd") == 0:
        raise PermissionError(errno.EPERM, "none is held or to be had")


@attempt("gain privileges by running a program")
def _():
    if LIBC.prctl(39, 0, 0, 0, 0) == 1:
        raise PermissionError(errno.EPERM, "no_new_privs is set")


@attempt("change the host name")
def _():
    name = socket.gethostname().encode()
    call("sethostname", name, len(name))


@attempt("set the clock")
def _():
    # struct timex: `modes` is ADJ_TICK, and `tick` what it is now.
    timex = (ctypes.c_long * 64)()
    call("adjtimex", timex)
    tick = timex[11]
    timex = (ctypes.c_long * 64)()
    timex[0], timex[11] = 0x4000, tick
    call("adjtimex", timex)


@attempt("make a control group")
def _():
    path = FACTS["cgroup"] + "/constintel-probe"
    os.mkdir(path)
    os.rmdir(path)


@attempt("open a setting of the kernel to write")
def _(): os.close(os.open("/proc/sys/kernel/domainname", os.O_WRONLY))


@attempt("open what is in /sys to write")
def _(): os.close(os.open("/sys/kernel/mm/transparent_hugepage/enabled", os.O_WRONLY))


@attempt("ask for the kernel's log")
def _(): call("klogctl", 10, None, 0)


@attempt("load a kernel module")
def _():
    try:
        system_call(313, -1, ctypes.c_char_p(b""), 0)
    except OSError as error:
        # With the right to load, the kernel goes on to find the descriptor bad.
        if error.errno != errno.EBADF:
            raise


@attempt("use a keyring")
def _(): system_call(250, 0, -3, 1, 0, 0)


@attempt("add a key")
def _():
    system_call(248, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"probe"), ctypes.c_char_p(b"x"), 1, -2)


@attempt("run in real time")
def _():
    try:
        in_child(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
    except PermissionError:
        # Where control groups share out real time, there is none for anybody.
        if status("Seccomp") == 0 and status("CapEff") >> 23 & 1:
            raise Absent from None
        raise


@attempt("take precedence")
def _(): in_child(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))


@attempt("raise a limit")
def _():
    import resource
    limit = resource.getrlimit(resource.RLIMIT_NICE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NICE, (limit, limit + 1))
    except ValueError as error:
        # In a container even root may lack the right.
        if status("Seccomp") == 0 and status("CapEff") and not status("CapEff") >> 24 & 1:
            raise Absent from None
        raise PermissionError(errno.EPERM, str(error)) from error


@attempt("change its personality")
def _(): in_child(lambda: call("personality", ctypes.c_ulong(0x0040000)))


@attempt("use BPF")
def _():
    attribute = ctypes.create_string_buffer(128)
    try:
        system_call(321, 11, attribute, 128)
    except OSError as error:
        # There is no program.
        if error.errno != errno.ENOENT:
            raise


@attempt("watch the machine's performance")
def _():
    attribute = (ctypes.c_uint32 * 28)(1, 112)
    system_call(298, attribute, -1, 0, -1, 0)


@attempt("reach the machine's ports")
def _(): call("ioperm", ctypes.c_ulong(0x80), ctypes.c_ulong(1), 1)


@attempt("find another brand's shared memory")
def _(): call("shmget", MEMORY_KEY, ctypes.c_size_t(0), 0)


@attempt("start more processes than it may")
def _():
    children = []
    try:
        for _ in range(FACTS["tasks"]):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except BlockingIOError as error:
        raise PermissionError(errno.EPERM, "fork: no more") from error
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@attempt("take more memory than it may")
def _():
    def take():
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        memory = mmap.mmap(-1, FACTS["memory"], mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(0, FACTS["memory"], 4096):
            memory[page] = 1
    in_child(take)


def main():
    excepted = set(FACTS.get("excepted", []))
    for name in sorted(excepted - set(ATTEMPTS)):
        print(f"BROKEN   {name}: there is no such attempt")
    for name, function in ATTEMPTS.items():
        if name in excepted:
            print(f"by design {name}")
            continue
        try:
            function()
            print(f"ALLOWED  {name}")
        except Absent:
            print(f"absent   {name}")
        except OSError as error:
            if error.errno in REFUSALS:
                print(f"refused  {name}: {error.strerror}")
            elif error.errno == errno.ENOSYS:
                print(f"absent   {name}")
            else:
                print(f"BROKEN   {name}: {error}")
        except Exception as error:
            print(f"BROKEN   {name}: {type(error).__name__} {error}")
        sys.stdout.flush()


main()
