"""How values are written on a command line: numbers, sizes, durations, in the forms that Docker's users know.

Each parser returns the value or raises :class:`ValueError` with the text that goes into
``invalid argument "x" for "--flag" flag: …``.
"""
