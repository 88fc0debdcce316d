"""Containers: from what the user asked for to an OCI ``config.json``, and the life of a container.

Everything up to the spec is pure: values in, values out; only small, named functions look at the host or the image.

=============  ===============================================================================
module         what it decides
=============  ===============================================================================
validate       which requests make no sense, in Docker's words
merge          request + image configuration → what runs
users          ``--user name`` → numbers, looked up inside the image
binds          ``-v`` strings and ``--mount`` → mount points
mounts         the file systems of a container, in order
devices        device nodes and the device filter
resources      limits
security       capabilities, seccomp, masked paths; ``--privileged``
namespaces     which namespaces are new, shared with the host, or another container's
spec           all of it together: the OCI ``RuntimeSpec``
names          ids and made-up names
records        a container as it is kept in the metadata
state          what may happen to a container in which state: one table
=============  ===============================================================================
"""
