"""`itm ledger`: verify, the keys that sign, and what leaves the ledger, as evidence or for ever. Thin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from itm_admin.commands.progress import ProgressBar
from itm_admin.foundation.config import Refusal, Settings

_code = click.option("--institution", "code", metavar="CODE", required=True, help="Whose ledger.")
_generation = click.option(
    "--generation", type=click.IntRange(min=1), metavar="N", help="A closed generation of it (none: the newest)."
)
_out = click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A new file.")
_purpose = click.option("--purpose", metavar="TEXT", help="Why, for the ledger: an export is an entry too.")


@click.group()
def ledger() -> None:
    """The audit ledger."""


@ledger.command()
@click.option("--institution", "code", metavar="CODE", help="Only this institution's ledger.")
@click.option("--level", type=click.Choice(["incremental", "sample", "full"]), default="full", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def verify(context: click.Context, code: str | None, level: Any, as_json: bool) -> None:
    """Verify ledgers. Exit code 0: intact, 1: tampered, 2: cannot tell.

    Ctrl-C ends it; the next full run goes on where it was.
    """
    from itm_admin.commands import verify

    with ProgressBar("Verifying") as progress:
        rows, exit_code = verify.verify(Settings.from_environment(), level, code, progress)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for row in rows:
            _tell(row)
    context.exit(exit_code)


@ledger.command("key")
@click.option("--out", type=click.Path(path_type=Path), help="A new file with what is said of them, for --keys.")
def show_key(out: Path | None) -> None:
    """The keys that sign checkpoints, as verifiers need them. Hand them on by another way than the evidence."""
    from itm_admin.commands import signing_keys

    signing_keys.show(Settings.from_environment(), out)


@ledger.command("rotate-key")
def rotate_key() -> None:
    """Replace the key that signs checkpoints. The next checkpoints bear both signatures."""
    from itm_admin.commands import signing_keys

    signing_keys.rotate(Settings.from_environment())


@ledger.command()
@click.option("--key", "name", required=True, metavar="NAME", help="Its id or verifier key, see `itm ledger key`.")
@click.option(
    "--trust-size",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="Entries of the Presidency's ledger that a witness cosigned before the key was in other hands.",
)
def compromise(name: str, trust_size: int) -> None:
    """Declare that somebody else may have a signing key: what it signed later proves nothing."""
    from itm_admin.commands import signing_keys

    signing_keys.compromise(Settings.from_environment(), name, trust_size)


@ledger.command()
@_code
@_generation
@_out
@click.option("--from", "since", metavar="WHEN", help="First day, moment or sequence number.")
@click.option("--to", "until", metavar="WHEN", help="Last day, moment or sequence number.")
@click.option("--target", metavar="KIND:ID", help="Content only of what happened to this record, or showed it.")
@click.option("--actor", metavar="USER", help="Content only of what this user did (id or user name).")
@_purpose
def export(
    code: str,
    generation: int | None,
    out: Path,
    since: str | None,
    until: str | None,
    target: str | None,
    actor: str | None,
    purpose: str | None,
) -> None:
    """Take an evidence bundle, for `python -m audit.verify` or the verifier's page."""
    from audit.bundle import EventFilter
    from itm_admin.commands import evidence

    kind, colon, id = (target or ":").partition(":")
    if target and not (kind and colon and id):
        raise Refusal("--target: KIND:ID is expected")
    try:
        bounds = evidence.bound(since, last=False), evidence.bound(until, last=True)
    except (ValueError, OverflowError):
        raise Refusal("--from, --to: a day (2026-01-31), a moment or a sequence number is expected") from None
    asked = EventFilter(*bounds, (kind, id) if target else None, actor)
    with ProgressBar("Exporting") as progress:
        evidence.export(Settings.from_environment(), code, generation, out, asked, purpose, progress)


@ledger.command()
@_code
@_generation
@click.option("--seq", type=click.IntRange(min=0), required=True, metavar="N", help="The entry's sequence number.")
@_out
@_purpose
def prove(code: str, generation: int | None, seq: int, out: Path, purpose: str | None) -> None:
    """Take one entry's proof, for the same verifiers."""
    from itm_admin.commands import evidence

    evidence.prove(Settings.from_environment(), code, generation, seq, out, purpose)


@ledger.command()
@_code
@_generation
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new directory.")
@_purpose
def tiles(code: str, generation: int | None, out: Path, purpose: str | None) -> None:
    """Write the ledger as a static C2SP tlog-tiles directory: hashes and frames, no content."""
    from itm_admin.commands import evidence

    evidence.tiles(Settings.from_environment(), code, generation, out, purpose)


@ledger.command()
@_out
def verifier(out: Path) -> None:
    """Write the offline verifier: one HTML page, or one Python program where FILE ends in .pyz."""
    from audit import verifier as made

    content = made.program() if out.suffix == ".pyz" else made.page().encode()
    try:
        with out.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise Refusal(f"--out: {out}: {error.strerror}") from None


@ledger.command()
@click.option("--dry-run", is_flag=True, help="Only say what is approved, and what could be proposed.")
def purge(dry_run: bool) -> None:
    """Destroy content past its retention time, as two people decided. The leaves and all proofs stay."""
    from itm_admin.commands import purge

    purge.purge(Settings.from_environment(), dry_run)


def _tell(row: dict[str, Any]) -> None:
    size = "" if row["size"] is None else f", {row['size']} entries"
    click.echo(f"{row['institution'] or '-':<12}{row['verdict']}, {row['assurance']}{size}")
    if row["since"]:
        click.echo(
            f"{'':<12}entries before {row['ranges'][0][0]} were read since {row['since']}, by a run that was stopped"
        )
    if sum(stop - start for start, stop in row["ranges"]) not in (0, row["size"]) and not row["since"]:
        click.echo(f"{'':<12}read: {', '.join(f'{start} to {stop - 1}' for start, stop in row['ranges'])}")
    if row["first_broken"] is not None:
        click.echo(f"{'':<12}first broken: {row['first_broken']}")
    for finding in row["findings"]:
        place = "" if finding["seq"] is None else f"{finding['seq']}: "
        click.echo(f"{'':<12}{place}{finding['kind']}: {finding['detail']}")
