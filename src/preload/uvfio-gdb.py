# SPDX-License-Identifier: BSD-3-Clause
"""gdb in a session.

A store to a device register traps: the program gets SIGSEGV, and the library does the device's work
and goes on. gdb would stop at each. With this file it passes them on without a word, and steps over
them; a SIGSEGV of the program's own, which the library names by two functions, still stops. In a
session gdb is started with it; from outside, `gdb -x .../uvfio-gdb.py -p PID`.
"""
import gdb

LIBRARY = "libuvfio-preload"
SI_TKILL = -6


class Default(gdb.Breakpoint):
    """The program has no handler: the next SIGSEGV is the faulting instruction again."""

    def stop(self):
        gdb.execute("handle SIGSEGV stop print pass", to_string=True)
        return False


class Handler(gdb.Breakpoint):
    """The program has a handler: stop before it runs, at the faulting instruction."""

    def stop(self):
        return True


breakpoints = []


def library_came(_event=None):
    """Once for each program: it may be started anew, and its library then is elsewhere."""
    for objfile in gdb.objfiles():
        if LIBRARY in (objfile.filename or "") and objfile.is_valid():
            break
    else:
        return
    gdb.execute("handle SIGSEGV nostop noprint pass", to_string=True)
    if not breakpoints:
        breakpoints.append(Default("fault_debug_default", internal=True))
        breakpoints.append(Handler("fault_debug_handler", internal=True))


def new_objfile(event):
    if LIBRARY in (event.new_objfile.filename or ""):
        library_came()


def stopped(event):
    if isinstance(event, gdb.SignalEvent) and event.stop_signal == "SIGTRAP":
        # Of the program's own thread: gdb waits at an instruction to which nobody comes back.
        if int(gdb.parse_and_eval("$_siginfo.si_code")) == SI_TKILL:
            print("The device has executed the instruction; here is the next one.")
        return
    # The frame of interest is the one that the signal interrupted.
    hit = getattr(event, "breakpoints", [])
    if not any(isinstance(breakpoint, Handler) for breakpoint in hit):
        return
    frame = gdb.newest_frame()
    while frame and frame.type() != gdb.SIGTRAMP_FRAME:
        frame = frame.older()
    if frame and frame.older():
        print("Program received signal SIGSEGV, Segmentation fault; its handler is next.")
        frame.older().select()


gdb.events.new_objfile.connect(new_objfile)
gdb.events.stop.connect(stopped)
library_came()
