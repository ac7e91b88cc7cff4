"""`python -m audit.verify FILE --key VKEY`: judges a bundle or an entry's proof, offline.

Promise: needs the standard library and `cryptography`, no database and no network; keys come from the command line,
never from the evidence; `rfc3161-client` only to judge time stamps. Exit code 0 intact, 1 tampered, 2 cannot tell;
for no input a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audit import bundle_judge, key_statements, policy, proof
from audit.bundle_judge import Progress
from audit.canonical_zip import Archive, ArchiveError
from audit.evidence_report import Report, unreadable
from audit.key import Algorithm, KeyFormatError, VerifierKey
from audit.key_statements import Keys, Statement
from audit.note import MAX_BYTES
from audit.policy import Policy, PolicyFormatError

if TYPE_CHECKING:
    from audit.authority import Trusted

EXIT = {"intact": 0, "tampered": 1, "cannot tell": 2}


def judge(
    file: BinaryIO,
    policy: Policy,
    outside: bytes | None = None,
    progress: Progress | None = None,
    trusted: Trusted | None = None,
) -> Report:
    """Judges a bundle or a proof; any other file is "cannot tell". Never raises for the file's content."""
    try:
        start = file.read(len(proof.HEADER))
        if start == proof.HEADER.encode():
            return proof.judge(start + file.read(proof.MAX_BYTES), policy, outside)
        return bundle_judge.judge(Archive(file), policy, outside, progress, trusted)
    except (ArchiveError, OSError) as error:
        return unreadable(str(error))


def policy_of(keys: Sequence[str], text: str | None, said: bytes | None = None) -> Policy:
    """The policy of the given keys, a policy file's and those that statements name.

    Raises ValueError if there is no key, or text that is not a key.
    """
    given = tuple(VerifierKey.parse(key) for key in keys)
    if any(key.algorithm is not Algorithm.NOTE for key in given):
        raise ValueError("--key takes a ledger's key; witnesses' keys stand in the policy")
    known = Keys() if said is None else key_statements.parse(said)
    asked = Policy(given or known.named) if text is None else policy.parse(text)
    logs = tuple(dict.fromkeys((*asked.logs, *given, *known.named)))
    if said is not None:
        unnamed = [Statement(key, "named", {}) for key in logs if not known.said(key, "named")]
        known = Keys.of((*known.statements, *unnamed))
    return replace(asked, logs=logs, said=known)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="audit.verify", description="Verifies evidence from a ledger, offline.")
    parser.add_argument("file", type=Path, help="a bundle (.zip) or an entry's proof (.tlog-proof)")
    parser.add_argument(
        "--key", action="append", default=[], metavar="VKEY", help="the ledger's key, as on paper; may be repeated"
    )
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="what was said of the ledger's keys, as `itm ledger key` writes it"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint that you kept: must agree too")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="keys and witnesses that must have signed")
    parser.add_argument(
        "--timestamp-certificates", type=Path, metavar="FILE", help="roots of time stamping authorities (PEM)"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(arguments)
    try:
        said = None if asked.keys is None else _bytes(asked.keys, key_statements.MAX_BYTES)
        policy = policy_of(asked.key, None if asked.policy is None else _text(asked.policy), said)
        outside = None if asked.checkpoint is None else _bytes(asked.checkpoint)
        trusted = None if asked.timestamp_certificates is None else _trusted(asked.timestamp_certificates)
        with asked.file.open("rb") as file:
            report = judge(file, policy, outside, _shown if sys.stderr.isatty() and not asked.json else None, trusted)
    except (OSError, KeyFormatError, PolicyFormatError, ValueError) as error:
        report = unreadable(str(error), "asked")
    print(json.dumps(asdict(report), ensure_ascii=True, indent=2) if asked.json else told(report))
    return EXIT[report.verdict]


def told(report: Report) -> str:
    """A few lines for people. Control characters in the evidence do not reach the terminal."""
    said = [f"{report.verdict}, {report.assurance}"]
    if report.origin is not None:
        said.append(f"ledger: {report.origin}")
        last = "" if not report.leaves else f", from {report.first}"
        said.append(f"entries: {report.leaves}{last}; with content: {report.events}, without: {report.withheld}")
        said.append(f"signed: {'nothing that covers them' if report.size is None else f'{report.size} entries'}")
    for name, seconds in sorted(report.cosigned.items()):
        moment = datetime.fromtimestamp(seconds, UTC).isoformat() if seconds < 1 << 37 else "at no time"
        said.append(f"cosigned: {name}, {moment}")
    for each in report.stamped or ():
        said.append(f"stamped: {each.size} entries, {each.time}")
    for gone in report.purged:
        said.append(f"purged: the content of entries {gone.first} to {gone.last}, as entry {gone.seq} says")
    if report.stamped == ():
        said.append("stamped: nothing")
    if report.first_broken is not None:
        said.append(f"first broken: {report.first_broken}")
    for finding in report.findings:
        said.append(f"{'' if finding.seq is None else f'{finding.seq}: '}{finding.kind}: {finding.detail}")
    return "\n".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in said)


def _shown(done: int, total: int) -> None:
    print(f"\r{done} of {total}", end="" if done < total - 1000 else "\n", file=sys.stderr, flush=True)


def _trusted(path: Path) -> Trusted:
    """Reads certificates. Raises ValueError if stamps cannot be judged with them."""
    try:
        import audit.timestamp  # noqa: F401 (only whether it can be)
        from audit.authority import Trusted  # imported here: a verifier that judges no stamps needs no rfc3161-client
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed: pip install rfc3161-client") from None
    return Trusted.parse(_bytes(path))


def _bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)


def _text(path: Path) -> str:
    return _bytes(path).decode()


if __name__ == "__main__":
    sys.exit(main())
