"""The image that needs no registry: made on this machine, from what it has (``minidock image bootstrap``).

======== =============================================================== ==========================
kind     what is in it                                                    where it comes from
======== =============================================================== ==========================
busybox  one static program, about 270 commands                          this machine, or apt-get
host     the host's shell and tools with their libraries                 copied from this machine
tiny     fourteen commands, no shell                                     the wheel (``rust/tiny``)
debian   a whole Debian root                                             mmdebstrap
======== =============================================================== ==========================

``auto`` tries busybox, host, tiny, in this order. The images are called ``minidock.local/<kind>:latest``: a registry of
that name cannot exist (``.local`` is never delegated), so they impersonate nothing; the short names are aliases that
give way to any real image (:mod:`minidock.images.resolve`). Equal files give an equal image id.

========= ============================================================
module    what it is
========= ============================================================
recipe    what a recipe is given, and what it gives back
tree      folders, users, times: the same way for all
busybox   find or fetch it; one link per command
deb       Debian's package format
host      choose the tools
closure   which libraries they need
elf       what a program says about that
tiny      debian     the two others
choose    from a kind to a tree
========= ============================================================
"""
