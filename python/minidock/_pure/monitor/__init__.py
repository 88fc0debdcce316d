"""The monitor in Python: the small process beside each container, and the launcher that it carries.

It is one process with one thread and one poll(2), since a process with threads can neither fork safely nor enter a user
namespace. It walks the launch plan together with the new process::

    monitor ──▶ child   a number: steps below it may run now
    monitor ◀── child   a report for each step; the terminal's master, as a descriptor
    end of the socket   the child became the program (the socket closes on exec), or it died

So "go" is nothing but a larger number: ``process.exec`` is the last step. Later the same loop carries streams, keeps
the log, answers on ``monitor.sock``, reaps, and at the end tears down. What is said on the sockets stands in
:mod:`minidock.kernel.protocol`.

=========== ==================================================================
module      what
=========== ==================================================================
walk        the monitor's side of the launch plan
child       the new process's side
host        steps of the host side, and those that take things away
foreign     another OCI runtime starts the container instead of a child
connection  one client on a socket: frames in, frames out
streams     the container's pipes or terminal, on our side
log         the container's output in Docker's json-file format
loop        the monitor itself: poll, decide, end
__main__    the program: ``--control FD``, or ``run`` for a bundle without a monitor
=========== ==================================================================
"""
