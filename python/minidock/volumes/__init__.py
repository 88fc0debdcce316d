"""Volumes: folders that outlive the containers that use them.

A named volume is made when it is first used, and stays until it is removed. A volume without a name belongs to the one
container that asked for it, and goes with ``rm -v`` and ``--rm``. A *new* volume begins with a copy of what the image
has at its place in the container (copy-up), owner and mode of the folder included.
"""
