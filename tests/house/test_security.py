"""SECURITY.md and its table keep their word: tests exist, items are complete, and what ships is known."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from itm_admin.foundation import secret_files
from itm_admin.foundation.settings_table import SETTINGS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "SECURITY.md"
TABLE = ROOT / "SECURITY.asvs.csv"
LEVELS = {"1": 70, "2": 183}
"""Items of ASVS 5.0.0 of each level."""
THIRD = {"V6": 12, "V7": 1, "V8": 6}
"""Items of level 3 of the chapters that are met in full: authentication, sessions, authorization."""
_NAMED = re.compile(r"tests/[a-z_/]+\.py(?:::test_[a-z0-9_]+)?")


@cache
def rows() -> tuple[dict[str, str], ...]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.is_file() and (
        not name or re.search(rf"^def {name}\(", file.read_text("utf-8"), re.MULTILINE) is not None
    )


def test_the_table_has_each_item_once_and_none_is_missing() -> None:
    items = [row["item"] for row in rows()]
    assert len(items) == len(set(items))
    levels = Counter(row["level"] for row in rows())
    assert {level: levels[level] for level in LEVELS} == LEVELS
    third = Counter(row["item"].partition(".")[0] for row in rows() if row["level"] == "3")
    assert {chapter: third[chapter] for chapter in THIRD} == THIRD


def test_no_applicable_item_is_open_without_a_reason_and_each_that_is_met_has_a_test() -> None:
    for row in rows():
        assert row["state"] in ("met", "open", "not applicable"), row
        assert row["subject"], row
        assert row["where met, or why not"], row
        assert row["state"] != "met" or exists(row["test"]), row


def test_every_test_that_the_document_names_exists() -> None:
    named = _NAMED.findall(DOCUMENT.read_text("utf-8"))
    assert len(named) > 40
    assert [test for test in named if not exists(test)] == []


def test_the_document_counts_the_items_that_are_open() -> None:
    states = Counter(row["state"] for row in rows())
    said = re.search(r"(\d+) items are met, (\d+) do not apply, (\d+) are open", DOCUMENT.read_text("utf-8"))
    assert said is not None
    assert tuple(map(int, said.groups())) == (states["met"], states["not applicable"], states["open"])


def test_every_secret_of_the_settings_is_in_the_table_of_keys() -> None:
    text = DOCUMENT.read_text("utf-8").partition("## Keys")[2].partition("\n## ")[0]
    secret = re.compile("KEY|SECRET|PASSWORD|SHARE")
    wanted = {setting.name for setting in SETTINGS if secret.search(setting.name)}
    wanted |= {name.partition(".")[0] for name in secret_files._FOLDERS}
    assert {name for name in wanted if name not in text} == set()


def test_the_document_names_each_part_that_others_rely_on() -> None:
    text = DOCUMENT.read_text("utf-8")
    for heading in (
        "Report",
        "Who attacks",
        "Keys",
        "Equal index terms",
        "Attacks",
        "ASVS",
        "Dependencies",
        "Not done",
    ):
        assert re.search(rf"^## .*{heading}", text, re.MULTILINE), heading


def test_the_checks_of_the_code_are_on() -> None:
    """ruff's rules of security and mypy's strictness; nothing excuses what must not be done at all."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert "S" in told["ruff"]["lint"]["select"]
    assert told["mypy"]["strict"] is True
    never = "S102 S301 S302 S307 S311 S324 S501 S506 S602 S605 S608 S610 S611 S701 S702".split()
    assert not set(never) & set(told["ruff"]["lint"]["ignore"])
    for folder in ("itm_admin", "audit"):
        for path in (ROOT / folder).rglob("*.py"):
            excused = re.findall(r"noqa: ([A-Z0-9, ]+)", path.read_text("utf-8"))
            found = {code.strip() for codes in excused for code in codes.split(",")} & set(never)
            assert not found - {"S608", "S311"}, (path, found)


def test_scripts_write_text_as_text() -> None:
    scripts = sorted((ROOT / "itm_admin" / "static").glob("*.js"))
    assert scripts
    unsafe = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|postMessage|localStorage"
        r"|sessionStorage"
    )
    assert {
        path.name: unsafe.findall(path.read_text("utf-8")) for path in scripts if unsafe.search(path.read_text("utf-8"))
    } == {}


@cache
def shipped() -> frozenset[str]:
    """The packages of requirements.txt for this machine."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    found = [re.match(r"([a-z0-9._-]+)==([^ ;]+)( ;.*)?", line) for line in lines]
    return frozenset(match[1] for match in found if match)


PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software|Unlicense|ZPL|Zope|MPL|LGPL|Redistribution and use")
"""LGPL: psycopg and ldap3, which are used as libraries and not changed."""


@pytest.mark.parametrize("package", sorted(shipped()))
def test_what_ships_has_a_permissive_licence(package: str) -> None:
    try:
        data = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return  # for another system
    told = [value for name in ("License-Expression", "License") for value in data.get_all(name) or []]
    told += [each for each in data.get_all("Classifier") or [] if each.startswith("License")]
    text = " ".join(told)
    assert PERMISSIVE.search(text), text
    assert not re.search(r"(?<!L)(?<!Lesser )\bA?GPL|Affero|(?<!Lesser )General Public License", text), text


def test_the_bill_of_materials_names_every_package_that_ships() -> None:
    done = subprocess.run(["make", "-s", "sbom"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = json.loads((ROOT / done.strip()).read_text("utf-8"))
    assert told["bomFormat"] == "CycloneDX"
    assert {each["name"] for each in told["components"]} == shipped()
    assert all(each["version"] and each["purl"] for each in told["components"])


@pytest.mark.parametrize(
    ("answer", "code", "line"),
    [
        ("echo 'ServiceError: cannot connect' >&2; exit 1", 2, "cannot be reached"),
        ("echo 'Dependency not found on PyPI and could not be audited: flask'", 2, "tells nothing of 1 packages"),
        ("echo 'Found 1 known vulnerability'; exit 1", 1, "Found 1 known"),
        ("echo 'No known vulnerabilities found'", 0, "No known"),
    ],
)
def test_the_audit_says_so_where_there_is_no_network(tmp_path: Path, answer: str, code: int, line: str) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{answer}\n", "ascii")
    program.chmod(0o755)
    words = [sys.executable, str(ROOT / "tests" / "security" / "audit.py"), str(program)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, line in done.stdout + done.stderr) == (code, True)


def test_nothing_for_tests_ships() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert told["tool"]["setuptools"]["packages"]["find"]["include"] == ["itm_admin*", "audit*"]
    tests = {re.split(r"[<>=\[ ]", each)[0].lower() for each in told["project"]["optional-dependencies"]["dev"]}
    assert not tests & shipped() - {"psutil"}
