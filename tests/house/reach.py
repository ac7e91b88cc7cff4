"""The policies and functions that a session reaches in a scope, derived from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection, TextClause, text

SOMEBODY = "'00000000-0000-4000-8000-000000000001'::uuid"
NOBODY: Mapping[str, str] = {
    "itm.scope()": "null::text", "itm.account()": "null::uuid", "itm.home()": "null::uuid",
    "itm.session()": "null::uuid", "itm.at_second_step()": "null::uuid", "itm.institution()": "null::uuid",
    "itm.manages()": "false", "itm.approves()": "false", "itm.national()": "false", "itm.assigns()": "false",
    "itm.everywhere(text)": "false", "itm.units(text)": "null::uuid[]", "itm.by_key()": "false",
    "itm.is_command()": "false", "audit.reads()": "null::text", "audit.own_holder()": "null::uuid",
    "audit.own_user()": "null::text",
}  # fmt: skip
"""The facts of a connection in which nobody is at work."""
HALF = {**NOBODY, "itm.session()": SOMEBODY, "itm.at_second_step()": SOMEBODY, "audit.reads()": "'none'::text"}
LOGIN = {
    **NOBODY, "itm.session()": SOMEBODY, "itm.account()": SOMEBODY, "itm.home()": SOMEBODY,
    "itm.scope()": "'login'::text", "audit.reads()": "'none'::text",
}  # fmt: skip

_POLICIES = text("""
    select p.polrelid::regclass::text as relation, p.polname as name, e.words
      from pg_policy p cross join lateral (values (pg_get_expr(p.polqual, p.polrelid)),
                                                 (pg_get_expr(p.polwithcheck, p.polrelid))) e (words)
     where ('itm_app'::regrole = any (p.polroles) or p.polroles = '{0}') and e.words is not null
""")
_FUNCTIONS = text("""
    select format('%s.%s', n.nspname, p.proname) as name, p.prosrc as source,
           p.prosecdef and has_function_privilege('itm_app', p.oid, 'execute') as open
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('itm', 'audit') and p.prorettype <> 'trigger'::regtype
""")
_CALL = re.compile(r"\(\s*SELECT ((?:itm|audit)\.\"?\w+\"?\([^()]*\)) AS \"?\w+\"?\)")


def policies(superuser: Connection, facts: Mapping[str, str]) -> set[str]:
    """The policies of the panel's login that may be true with these facts: the planner finds those that never are."""
    found = set[str]()
    with superuser.begin_nested() as inner:
        for function, value in facts.items():
            superuser.execute(_said(superuser, function, value))
        for policy in superuser.execute(_POLICIES).all():
            words = _CALL.sub(r"\1", policy.words)
            plan = superuser.exec_driver_sql(
                f"explain (costs off) select from {policy.relation} where {words}",
                execution_options={"no_parameters": True},
            ).scalars()
            if "One-Time Filter: false" not in "\n".join(plan):
                found.add(f"{policy.relation}.{policy.name}")
        inner.rollback()
    return found


def _said(superuser: Connection, function: str, value: str) -> TextClause:
    """The function, which gives the value and nothing else."""
    definition = text("select pg_get_functiondef(cast(:name as regprocedure))")
    name = function.replace("national", '"national"')
    found = re.match(
        r"CREATE OR REPLACE FUNCTION (.+)\n RETURNS (.+)\n", str(superuser.scalar(definition, {"name": name}))
    )
    assert found, name
    value = value.replace(":", "\\:")
    return text(
        f"create or replace function {found[1]} returns {found[2]} language sql immutable as $x$ select {value} $x$"
    )


def functions(superuser: Connection, names: str, elsewhere: str = "(?!)") -> set[str]:
    """The functions that the panel's login calls as their owner and that name one of these facts, also by what they
    call; without those that name a fact of elsewhere.
    """
    rows = superuser.execute(_FUNCTIONS).all()
    inside = {row.name for row in rows if not row.open and re.search(names, row.source)}
    calls = "|".join(re.escape(f"{name}(") for name in inside) or "(?!)"
    wanted, other = re.compile(f"{names}|{calls}"), re.compile(elsewhere)
    return {row.name for row in rows if row.open and wanted.search(row.source) and not other.search(row.source)}
