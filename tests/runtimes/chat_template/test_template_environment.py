from __future__ import annotations

# ruff: noqa: E501
import pytest
from jinja2 import TemplateError

from olivepress.core.errors import DataError
from olivepress.runtimes.chat_template.environment import render_template

MESSAGES = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "x"}]
LOOP, END = "{% for i in range(99999) %}", "{% endfor %}"
GROWING = "{% set ns = namespace(s='xxxx') %}{% for i in range(60) %}{% set ns.s = @ %}{% endfor %}{{ ns.s }}"


@pytest.mark.parametrize(
    "template",
    [
        LOOP * 3 + "x" + END * 3,
        LOOP * 3 + END * 3,
        LOOP + "y" * 200_000 + END,
        LOOP + "{% for j in range(99999) if j < 0 %}{% endfor %}" + END,
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{{ loop([[1]]) }}{% endfor %}",
        "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
        GROWING.replace("@", "ns.s ~ ns.s"),
        GROWING.replace("@", "ns.s + ns.s"),
        GROWING.replace("@", "[ns.s, ns.s]"),
        GROWING.replace("@", "(ns.s, ns.s)"),
        GROWING.replace("@", "{'a': ns.s, 'b': ns.s}"),
        GROWING.replace("@", "dict(a=ns.s, b=ns.s).values()"),
        GROWING.replace("@", "namespace(a=ns.s, b=ns.s)"),
        "{% set n = namespace() %}{% set n.a = n %}{{ n }}",
        "{{ 'x' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, '1000000000') }}",
        "{% set f = '{0:100000000}' | attr('format') %}{{ f(1) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ (5).to_bytes(1000000000, 'little') }}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
        "{{ ('y' * 1000000).join('x' * 100000) }}",
        "{{ ('x' * 100000) | list | join('y' * 1000000) }}",
        "{{ ('\n' * 1000000) | indent(9999) }}",
        "{{ messages | tojson(indent=1000000000) }}",
        "{{ lipsum(n=10000000) }}",
        "{{ range(99999) | map('replace', '1', 'y' * 1000000) | list | length }}",
        "{{ ([[1]] * 99999) | sum(start=[]) | length }}",
        "{{ [1] | batch(1000000000, 'x') | list }}",
        "{{ '(' }}{{ " + "(" * 50_000 + " }}",
        "{% for a in b %}" * 30 + "{% endfor %}" * 30,
        "{{ a" + ".b" * 50_000 + " }}",
        "x" * 300_000,
        "{{ 1 // 0 }}",
        "{{ 'x' | truncate(5, end='y' * 100) }}",
    ],
    ids=range(44),
)
def test_what_loops_or_grows_without_end_is_an_error(template: str) -> None:
    with pytest.raises(TemplateError):
        render_template(template, {"messages": MESSAGES})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% for m in messages %}{{ loop.index }}{{ m.role }}{{ ',' if not loop.last }}{% endfor %}", "1user,2assistant"),
        ("{% set n = namespace(s='') %}{% for m in messages %}{% set n.s = n.s ~ m.content %}{% endfor %}{{ n.s }}", "hellox"),
        ("{{ messages[1:] | map(attribute='role') | join('+') }}", "assistant"),
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "hello"}'),
        ("{{ 'Date: December 2023 %s' | format('x') }} {{ 'a 2024 %d' % 3 }} {{ '{:.2f}'.format(1) }}", "Date: December 2023 x a 2024 3 1.00"),
        ("{% if messages[0].role == 'user' and 'ell' in messages[0].content %}y{% endif %}", "y"),
        ("{% macro m(x) %}[{{ x | trim }}]{% endmacro %}{{ m(' a ') }}{{ ('-' * 3).center(5) }}", "[a] --- "),
        ("{% for x in [1, 2, 3] if x is odd %}{{ x }}{% else %}none{% endfor %}{{ none is none }}", "13True"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ x | default(128000) }}", "1128000"),
        ("{% for x in [{'c': [{'c': []}]}] recursive %}({{ loop(x.c) }}){% endfor %}", "(())"),
        ("{% generation %}a{% endgeneration %}{{ strftime_now('%Y') }}", "a26 Jul 2024"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_templates_use_still_works(template: str, expected: str) -> None:
    assert render_template(template, {"messages": MESSAGES}) == expected


def test_the_budget_is_for_each_rendering_and_a_long_conversation_fits() -> None:
    template = (
        "{% for m in messages %}{% if loop.index0 % 2 == 0 %}{{ m.role + ': ' + m.content }}{% endif %}{% endfor %}"
    )
    many = [{"role": "user", "content": "word " * 200}] * 5000
    assert [len(render_template(template, {"messages": many})) for _ in range(3)] == [2500 * 1006] * 3


def test_what_a_template_says_itself() -> None:
    with pytest.raises(DataError, match="the chat template raised: no"):
        render_template("{{ raise_exception('no') }}", {})
