"""The command line: argv → request → api → text.

::

    main.py        the one entry: global flags, the command's name, errors → message and exit status
    table.py       every command by name: its group, its summary, and the module that holds it
    flags.py       Docker's flag grammar (pflag's), from flags declared as data;  kinds.py: the kinds of values
    values/        how values are written: sizes, numbers, durations
    help.py        help texts, from the same data
    commands/      one file per noun; each is imported only when its command is called
    run/           the 105 flags of ``run``, in groups: each file declares its flags and says what they mean
    output/        tables, ``--format``, ages and sizes;  gotemplate/: Go's template language
    terminal.py    a foreground container's streams: raw mode, resize, detach keys, signals
    exits.py       one map from errors to messages and exit codes

Start-up time is the rule that shapes this folder: a bare interpreter takes about 8 ms here, ``import typing`` 6 ms more
and ``import msgspec`` 22 ms more. So ``minidock version`` imports neither, a table maps commands to modules, and what
only some commands need is imported inside functions. Annotations are never evaluated (``from __future__``).
"""
