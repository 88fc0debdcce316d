"""Frozen values that the whole engine speaks in, named with the words of the OCI specifications.

No bare ``dict`` crosses a folder of this package: what is read from the wire or the disk becomes one of these values
first (:mod:`minidock.oci.codec`), or is refused.

=============  ==============================================================================
module         values
=============  ==============================================================================
digest         :class:`Digest`, a checked ``sha256:…``
reference      :class:`Reference`, an image's name: registry, repository, tag, digest
platform       :class:`Platform`, what a binary runs on
manifest       :class:`Descriptor`, :class:`Manifest`, :class:`Index` (image-spec)
image          :class:`ImageConfig`, an image's configuration (image-spec config.md)
runtime        :class:`RuntimeSpec`, a container's ``config.json`` (runtime-spec)
codec          JSON to values and back, with the limits that hostile input needs
=============  ==============================================================================
"""
