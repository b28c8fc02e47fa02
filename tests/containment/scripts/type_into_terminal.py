import fcntl
import os
import termios


def main() -> str:
    _, terminal = os.openpty()
    if os.fork() == 0:
        code = 1
        try:
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
            code = 0
        except OSError as error:
            code = error.errno or 1
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code:
        raise OSError(code, os.strerror(code))
    return "SUCCEEDED: typed into a terminal"
