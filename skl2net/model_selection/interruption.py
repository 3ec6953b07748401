"""What Ctrl-C means during a search."""

import signal
import threading
from contextlib import contextmanager


class _SearchInterrupted(BaseException):
    """Raised in place of KeyboardInterrupt, which networks catch."""


@contextmanager
def interruptible_search():
    """Let Ctrl-C end the search, and not only the fit that is running.

    A network that is interrupted keeps the weights of its last finished iteration, here as in scikit-learn. A search
    would take that for the end of a fit, and go on with the next one. Outside the main thread, and where the program
    handles Ctrl-C in a way of its own, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(signum, frame):
        raise _SearchInterrupted

    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    except _SearchInterrupted:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
