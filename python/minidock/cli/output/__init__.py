"""How results look: tables with Docker's bytes, ``--format``, ages and sizes in words, the progress of a pull."""
