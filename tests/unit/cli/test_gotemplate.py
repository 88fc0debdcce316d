"""Go's template language. Docker's own results are compared in tests/compat/test_cli_tables.py."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.cli.gotemplate import Record, Template, TemplateError

DATA: dict[str, Any] = {
    "name": "web",
    "list": ["a", "b", "c"],
    "map": {"y": 2, "x": 1},
    "n": 3,
    "f": 1.5,
    "no": False,
    "nil": None,
    "deep": {"er": {"est": "!"}},
    "html": "<&>",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.name}}", "web"),
        ("{{.deep.er.est}}", "!"),
        ("{{.list}} {{.map}} {{.no}} {{.f}} {{.n}}", "[a b c] map[x:1 y:2] false 1.5 3"),
        ("{{.nil}} {{.gone}}", "<no value> <no value>"),
        ("{{range .list}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $x := .list}}{{$i}}{{$x}}{{end}}", "0a1b2c"),
        ("{{range $k, $v := .map}}{{$k}}={{$v};}}{{end}}", None),
        ("{{range $k, $v := .map}}{{$k}}={{$v}} {{end}}", "x=1 y=2 "),
        ("{{range .gone}}x{{else}}none{{end}}", "none"),
        ("{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{range .list}}{{$.name}}{{end}}", "webwebweb"),
        ("{{if .no}}a{{else if .n}}b{{else}}c{{end}}", "b"),
        ("{{with .deep.er}}{{.est}}{{end}}{{with .nil}}x{{else}}y{{end}}", "!y"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"),
        ("{{.name | upper | printf \"%5s|\"}}", "  WEB|"),
        ("{{printf \"%-5s|%05d|%x|%q|%v|%t|%.2f|%%\" .name .n \"hi\" \"a\\\"b\" .list true .f}}",
         'web  |00003|6869|"a\\"b"|[a b c]|true|1.50|%'),
        ("{{json .map}} {{json .html}}", '{"y":2,"x":1} "\\u003c\\u0026\\u003e"'),
        ("{{join .list \",\"}} {{index (split \"a-b\" \"-\") 1}} {{title \"ab cd\"}}", "a,b,c b Ab Cd"),
        ("{{len .list}} {{len .name}} {{index .list 1}} {{index .map \"x\"}} {{slice .name 1 2}}", "3 3 b 1 e"),
        ("{{and .n .name}} {{and .no .name}} {{or .no .name}} {{not .no}}", "web false web true"),
        ("{{eq .n 3}} {{ne .n 3}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}} {{eq .n 1 2 3}}",
         "true false true true false false true"),
        ("a  {{- .name -}}  b", "awebb"),
        ("a {{- /* no */ -}} b{{/* no */}}", "ab"),
        ("{{\"quo\\\"te\\n\"}}{{`raw\\n`}}{{'a'}}", 'quo"te\nraw\\n97'),
        ("{{(index .list 0)}}{{(.deep).er.est}}", "a!"),
        ("{{print 1 2 \"a\" \"b\" 3 4}}|{{println \"x\" 1}}", "1 2ab3 4|x 1\n"),
        ("{{truncate \"abcdef\" 3}}{{pad \"x\" 1 2}}|{{html .html}}|{{urlquery \"a b\"}}", "abc x  |&lt;&amp;&gt;|a+b"),
        ("{{1}} {{-2}} {{0x10}} {{1.5}} {{true}}", "1 -2 16 1.5 true"),
        ("{{`}}`}} {{\"{{\"}}", "}} {{"),
        ("{{range 3}}{{.}}{{end}}", "012"),
    ],
)  # fmt: skip
def test_templates(template: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(TemplateError):
            Template(template)
    else:
        assert Template(template).execute(DATA) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{", "unclosed action"),
        ("{{.x", "unclosed action"),
        ("{{if .x}}", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{nope}}", 'function "nope" not defined'),
        ("{{$x}}", 'undefined variable "$x"'),
        ('{{"a}}', "unterminated quoted string"),
        ("{{.a.}}", "unexpected"),
        ("{{|}}", "missing value for command"),
        ("{{(.a}}", "unclosed left paren"),
        ("{{break}}", "outside {{range}}"),
        ('{{template "x"}}', "not supported"),
        ("{{/* a}}", "unclosed comment"),
        ("{{range $x := .list}}{{end}}{{$x}}", 'undefined variable "$x"'),
        ("a\nb{{$x}}", "template: :2: "),
    ],
)
def test_templates_that_cannot_be_parsed(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{index .list 9}}", "{{len .n}}", "{{lt .name 1}}", "{{.name.x}}", "{{.nil.x}}", "{{json}}",
        "{{range .name}}{{end}}",
        "{{index .nil 1}}", "{{slice .name 2 1}}", "{{join .name 1}}", "{{.name 1}}", "{{upper 1}}", "{{printf 1}}",
    ],
)  # fmt: skip
def test_templates_that_cannot_be_executed(template: str) -> None:
    with pytest.raises(TemplateError):
        Template(template).execute(DATA)


def test_fields_of_a_record_are_all_there_are() -> None:
    record = Record(ID="1")
    record.methods = {"Label": lambda name: f"label {name}"}
    assert Template('{{.ID}} {{.Label "x"}} {{"y" | .Label}}').execute(record) == "1 label x label y"
    with pytest.raises(TemplateError, match="can't evaluate field Foo in type struct"):
        Template("{{.Foo}}").execute(record)


def test_strict_maps() -> None:
    with pytest.raises(TemplateError, match='map has no entry for key "gone"'):
        Template("{{.gone}}", strict=True).execute(DATA)


def test_a_template_cannot_fill_the_memory() -> None:
    loops = "{{range $.n}}" * 8 + "x" * 1000 + "{{end}}" * 8
    with pytest.raises(TemplateError, match="longer than"):
        Template(loops).execute({"n": 1000})
    with pytest.raises(TemplateError, match="nested too deeply"):
        Template("{{if .a}}" * 500 + "{{end}}" * 500)
    with pytest.raises(TemplateError, match="nested too deeply"):
        Template("{{" + "(" * 5000 + ".a" + ")" * 5000 + "}}")
    assert len(Template('{{printf "%999999999d" 1}}').execute({})) < 100_000


@given(st.text(alphabet='{}.-$"`|() \nabcif1end', max_size=40))
def test_no_text_crashes_the_parser(text: str) -> None:
    with suppress(TemplateError):
        Template("{{" + text + "}}").execute(DATA)
