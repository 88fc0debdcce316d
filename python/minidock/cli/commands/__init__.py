"""The commands, one file per noun; :mod:`minidock.cli.table` says which is where."""
