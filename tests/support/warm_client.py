"""A program of `warm`: lets the server run what it was called for.

Imports only what is compiled into Python: with `json`, `os` and `socket` it would take three times as
long to start.
"""

import marshal
import posix
import sys
from _signal import SIG_DFL, SIGKILL, signal
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket

_, address, *arguments = sys.argv
umask = posix.umask(0)
posix.umask(umask)
# The three standard streams, and what else it was started with.
streams = []
for name in posix.listdir("/proc/self/fd"):
    try:
        if posix.get_inheritable(int(name)):
            streams.append(int(name))
    except OSError:  # Of the folder itself.
        pass
request = {
    "arguments": arguments,
    "folder": posix.getcwd(),
    "variables": posix.environ,
    "umask": umask,
    "streams": streams,
}
content = marshal.dumps(request)
text = len(content).to_bytes(8, "big") + content
connection = socket(AF_UNIX)
connection.connect(address)
passed = b"".join(number.to_bytes(4, sys.byteorder) for number in streams)
sent = connection.sendmsg([text], [(SOL_SOCKET, SCM_RIGHTS, passed)])
connection.sendall(text[sent:])
code = int(connection.recv(16) or 1)
if code < 0:
    if -code != SIGKILL:
        signal(-code, SIG_DFL)
    posix.kill(posix.getpid(), -code)
posix._exit(code)
