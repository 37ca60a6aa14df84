# SPDX-License-Identifier: Apache-2.0
"""inotify(7) for the tests, by ctypes."""

import ctypes
import os
import select
import struct
import time

ACCESS, MODIFY, ATTRIB, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = (1 << n for n in range(6))
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = (1 << n for n in range(6, 12))
UNMOUNT, OVERFLOW, IGNORED, ISDIR = 0x2000, 0x4000, 0x8000, 0x40000000
ALL = MODIFY | ATTRIB | CLOSE_WRITE | OPEN | CREATE | DELETE | DELETE_SELF | MOVED_FROM | MOVED_TO

_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """Events are (path, mask); of a directory the path has the name in it."""

    def __init__(self):
        self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.paths = {}
        self.ready = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.fd)

    def add(self, path, mask=ALL):
        wd = _libc.inotify_add_watch(self.fd, os.fsencode(path), mask)
        if wd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        self.paths[wd] = path

    def drain(self):
        """The events so far, in order."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            data = b""
        while data:
            wd, mask, _, length = struct.unpack("iIII", data[:16])
            name = data[16:16 + length].rstrip(b"\0").decode()
            data = data[16 + length:]
            if not mask & IGNORED:
                path = self.paths[wd]
                self.ready.append((f"{path}/{name}" if name else path, mask))
        ready, self.ready = self.ready, []
        return ready

    def until(self, mask, seconds=40, count=1):
        """All events up to the `count`th with a bit of `mask`."""
        end = time.monotonic() + seconds
        seen = []
        while time.monotonic() < end:
            select.select([self.fd], [], [], max(0, end - time.monotonic()))
            events = self.drain()
            for i, event in enumerate(events):
                seen.append(event)
                count -= bool(event[1] & mask)
                if count == 0:
                    self.ready = events[i + 1:]
                    return seen
        raise AssertionError(f"no such event; there were {[(p, hex(e)) for p, e in seen]}")

    def quiet(self, seconds=1.5, mask=ALL):
        """Nothing of that kind comes."""
        time.sleep(seconds)
        events = [(p, hex(e)) for p, e in self.drain() if e & mask]
        assert not events, events
