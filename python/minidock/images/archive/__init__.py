"""Archives of whole images: what ``minidock load`` reads, and how a stranger's archive is kept harmless.

::

    stdin ──▶ spool ──▶ a plain tar without a name ──▶ source: names, sizes, offsets ──▶ docker │ oci ──▶ images

An archive is **never unpacked**: no name in it ever becomes a path on this machine. It is spooled into a file without a
name (a crash leaves nothing), its entries are listed by the Layers port (the same strict reader that applies layers),
and members are then read by their offset. ``../x``, links and devices are so only words in a table, and are refused
there. Python's ``tarfile`` is not used: its filters have been bypassed more than once (CVE-2025-4138, -4330, -4517).

======== =================================================================================
module   what it is
======== =================================================================================
inflate  plain bytes out of gzip, zstd, xz or bzip2, with a budget
spool    a stream becomes a file that can be read at any place
source   the members by name: of a tar, or of a folder
docker   ``manifest.json``, as ``docker save`` writes it
oci      ``index.json`` and ``blobs/``, an OCI image layout
image    what both give back: checked documents, and where the blobs are
======== =================================================================================
"""
