"""Go's template language, as far as ``--format`` needs it: text with actions between ``{{`` and ``}}``.

::

    {{.Name}}: {{range $i, $p := .Ports}}{{if $i}}, {{end}}{{$p}}{{else}}none{{end}}
    {{json .}}   {{.ID | printf "%-12s"}}   {{with .State}}{{.Pid}}{{end}}   {{if and .A (gt .N 3)}}…{{end}}

Source: https://pkg.go.dev/text/template. The parts:

===========  ===================================================================================
lexer.py     text and actions → tokens, with ``{{-`` and ``-}}`` trimming
parser.py    tokens → nodes (nodes.py)
execute.py   nodes and data → text
builtins.py  the functions of Go and of Docker;  printf.py: Go's formatting verbs
===========  ===================================================================================

Data are JSON values. A :class:`~minidock.cli.gotemplate.execute.Record` is a Go struct: an unknown field of it is an
error, while an unknown key of a map is "no value". Not here, and refused when parsed: ``define``, ``template``,
``block`` and methods that take arguments, which no ``--format`` has any use for.
"""

from minidock.cli.gotemplate.execute import Record as Record
from minidock.cli.gotemplate.execute import Template as Template
from minidock.cli.gotemplate.nodes import TemplateError as TemplateError
