"""`itm ledger export | prove | tiles | verifier | purge`: what leaves the ledger, as evidence or for ever. Thin."""

from __future__ import annotations

from pathlib import Path

import click

from itm_admin.foundation.config import Refusal, Settings

_code = click.option("--institution", "code", metavar="CODE", required=True, help="Whose ledger.")
_generation = click.option(
    "--generation", type=click.IntRange(min=1), metavar="N", help="A closed generation of it (none: the newest)."
)
_out = click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A new file.")
_purpose = click.option("--purpose", metavar="TEXT", help="Why, for the ledger: an export is an entry too.")


@click.command()
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
    from audit.bundle import Filter
    from itm_admin.commands import evidence
    from itm_admin.commands.main import progress_bar

    kind, colon, id = (target or ":").partition(":")
    if target and not (kind and colon and id):
        raise Refusal("--target: KIND:ID is expected")
    try:
        bounds = evidence.bound(since, last=False), evidence.bound(until, last=True)
    except (ValueError, OverflowError):
        raise Refusal("--from, --to: a day (2026-01-31), a moment or a sequence number is expected") from None
    asked = Filter(*bounds, (kind, id) if target else None, actor)
    with progress_bar("Exporting") as progress:
        evidence.export(Settings.from_environment(), code, generation, out, asked, purpose, progress)


@click.command()
@_code
@_generation
@click.option("--seq", type=click.IntRange(min=0), required=True, metavar="N", help="The entry's sequence number.")
@_out
@_purpose
def prove(code: str, generation: int | None, seq: int, out: Path, purpose: str | None) -> None:
    """Take one entry's proof, for the same verifiers."""
    from itm_admin.commands import evidence

    evidence.prove(Settings.from_environment(), code, generation, seq, out, purpose)


@click.command()
@_code
@_generation
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new directory.")
@_purpose
def tiles(code: str, generation: int | None, out: Path, purpose: str | None) -> None:
    """Write the ledger as a static C2SP tlog-tiles directory: hashes and frames, no content."""
    from itm_admin.commands import evidence

    evidence.tiles(Settings.from_environment(), code, generation, out, purpose)


@click.command()
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


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what is approved, and what could be proposed.")
def purge(dry_run: bool) -> None:
    """Destroy content past its retention time, as two people decided. The leaves and all proofs stay."""
    from itm_admin.commands import purge

    purge.purge(Settings.from_environment(), dry_run)


COMMANDS = (export, prove, tiles, verifier, purge)
