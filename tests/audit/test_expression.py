"""Expressions that mean the same after a restore have one spelling, others do not."""

from __future__ import annotations

import pytest

from audit.expression import normal


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("((a)::text = ANY ((ARRAY['x'::character varying, 'it''s'::character varying(3)])::text[]))",
         "((a)::text = ANY (ARRAY[('x'::character varying)::text, ('it''s'::character varying(3))::text]))"),
        ("(((a > 1) AND (a < 2)) AND ((b > 1) AND (b < 2)))", "((a > 1) AND (a < 2) AND ((b > 1) AND (b < 2)))"),
        ("((a OR b) OR c)", "(a OR b OR c)"),
        ("(((a AND b) AND c) AND d)", "(a AND b AND c AND d)"),
    ],
)  # fmt: skip
def test_what_a_restore_prints_is_the_same(before: str, after: str) -> None:
    assert normal(before) == normal(after)
    assert normal(normal(before)) == normal(before)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("((a AND b) OR c)", "(a AND b OR c)"),
        ("(a AND (b OR c))", "(a AND b OR c)"),
        ("((NOT (a AND b)) AND c)", "((NOT a) AND b AND c)"),
        ("(f(a AND b) AND c)", "(fa AND b AND c)"),
        ("('(a AND b) AND c' AND d)", "('a AND b AND c' AND d)"),
        ("((a AND b) = c)", "(a AND b = c)"),
        ("((ARRAY['x'::character varying])::text[])", "((ARRAY['y'::character varying])::text[])"),
    ],
)
def test_what_means_something_else_is_not(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize("said", ["a)", "(a", "'(' AND \")\"", "it's", ""])
def test_what_does_not_pair_stays_as_it_is(said: str) -> None:
    assert normal(said) == said
