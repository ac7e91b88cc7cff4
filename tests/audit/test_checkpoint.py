"""Checkpoints: three lines, signed by who must sign, witnessed only when enough others say so."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import checkpoint, merkle, note, policy
from audit.checkpoint import Checkpoint, CheckpointFormatError, opened
from audit.key import Algorithm, SigningKey
from audit.note import SignatureError
from audit.policy import Policy, PolicyFormatError
from tests.audit.go.questions import DEPLOYMENT, LOG, NEXT, STRANGER, TIME, WITNESS

MADE = Checkpoint(f"{DEPLOYMENT}/ledger/JGK/1", 20, b"\x07" * 32)
SECOND = SigningKey("baro.example/witness", b"\x06" * 32, Algorithm.COSIGNATURE)
ROOT = b64encode(MADE.root).decode()


def judged(
    *keys: SigningKey, by: Policy, of: Checkpoint = MADE, origin: str | None = None
) -> checkpoint.OpenedCheckpoint:
    """The checkpoint with these signatures and cosignatures, opened."""
    signed = checkpoint.sign(of, *(key for key in keys if key.algorithm is Algorithm.NOTE))
    witnesses = [key for key in keys if key.algorithm is Algorithm.COSIGNATURE]
    return opened(bytes(signed.with_signatures(note.cosign(signed.text, key, TIME) for key in witnesses)), by, origin)


def test_a_checkpoint_is_its_three_lines() -> None:
    assert MADE.text == f"{DEPLOYMENT}/ledger/JGK/1\n20\n{ROOT}\n"
    assert Checkpoint.parse(MADE.text) == MADE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        f"a\n20\n{ROOT}",
        f"a\n20\n{ROOT}\nmore\n",
        f"\n20\n{ROOT}\n",
        f"a\n020\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n+1\n{ROOT}\n",
        f"a\n 1\n{ROOT}\n",
        f"a\n1_0\n{ROOT}\n",
        f"a\n٣\n{ROOT}\n",
        f"a\n{2**63}\n{ROOT}\n",
        f"a\n{'9' * 5000}\n{ROOT}\n",
        f"a\n20\n{ROOT[:-1]}\n",
        f"a\n20\n{ROOT[:-2]}d=\n",
        "a\n20\nAAAA\n",
        f"a\n0\n{ROOT}\n",
        f"{'ü' * 128}\n20\n{ROOT}\n",
    ],
)
def test_no_other_text_is_a_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointFormatError):
        Checkpoint.parse(text)


@given(st.text(alphabet=st.sampled_from(MADE.text + "=0"), max_size=90) | st.text(max_size=60))
def test_what_is_read_as_a_checkpoint_is_written_back_the_same(text: str) -> None:
    try:
        assert Checkpoint.parse(text).text == text
    except CheckpointFormatError:
        return


@pytest.mark.parametrize(
    "made", [replace(MADE, origin="a\nb"), replace(MADE, size=-1), replace(MADE, root=b""), replace(MADE, size=0)]
)
def test_what_could_not_be_read_again_is_not_signed(made: Checkpoint) -> None:
    with pytest.raises(CheckpointFormatError):
        checkpoint.sign(made, LOG)


def test_an_empty_ledger_can_be_signed() -> None:
    empty = Checkpoint(MADE.origin, 0, merkle.EMPTY_ROOT)
    assert judged(LOG, of=empty, by=Policy((LOG.verifier,))).checkpoint == empty


def test_a_checkpoint_without_its_log_is_nobodys_whoever_witnessed_it() -> None:
    by = Policy((LOG.verifier,), (WITNESS.verifier,), 1)
    with pytest.raises(SignatureError, match=f"not signed by {DEPLOYMENT}"):
        judged(WITNESS, STRANGER, by=by)
    with pytest.raises(SignatureError, match="known key"):
        judged(STRANGER, by=by)


def test_every_name_that_must_sign_must_sign() -> None:
    institution = SigningKey(f"{DEPLOYMENT}/ledger/JGK", b"\x08" * 32)
    by = Policy((LOG.verifier, institution.verifier))
    assert judged(LOG, institution, by=by).assurance == "self-attested"
    with pytest.raises(SignatureError, match="not signed by"):
        judged(LOG, by=by)


def test_a_key_and_its_successor_are_one_name_of_which_either_signs() -> None:
    by = Policy((LOG.verifier, NEXT.verifier))
    for keys in ((LOG,), (NEXT,), (LOG, NEXT)):
        assert judged(*keys, by=by).checkpoint == MADE


@pytest.mark.parametrize("origin", ["itm-0a1b2cd/ledger/JGK/1", "itm-0a1b2", "other/ledger/JGK/1", "itm-0a1b2c.x/1"])
def test_a_key_does_not_speak_for_another_deployments_ledgers(origin: str) -> None:
    with pytest.raises(SignatureError, match="does not speak"):
        judged(LOG, of=replace(MADE, origin=origin), by=Policy((LOG.verifier,)))


def test_the_checkpoint_of_another_ledger_is_refused_when_one_is_asked_for() -> None:
    by = Policy((LOG.verifier,))
    assert judged(LOG, by=by, origin=MADE.origin)
    with pytest.raises(SignatureError, match="another ledger"):
        judged(LOG, by=by, origin=f"{DEPLOYMENT}/ledger/JGK/2")


@pytest.mark.parametrize(
    ("quorum", "keys", "assurance"),
    [
        (0, (), "self-attested"),
        (0, (WITNESS, SECOND), "self-attested"),
        (1, (), "self-attested"),
        (1, (WITNESS,), "witnessed"),
        (1, (SECOND,), "witnessed"),
        (2, (WITNESS,), "self-attested"),
        (2, (WITNESS, SECOND), "witnessed"),
    ],
)
def test_a_checkpoint_is_witnessed_when_the_quorum_cosigned(
    quorum: int, keys: tuple[SigningKey, ...], assurance: str
) -> None:
    seen = judged(LOG, *keys, by=Policy((LOG.verifier,), (WITNESS.verifier, SECOND.verifier), quorum))
    assert seen.assurance == assurance
    assert seen.cosigned == {key.name: TIME for key in keys}


def test_a_witness_with_two_keys_counts_once() -> None:
    other = SigningKey(WITNESS.name, b"\x0a" * 32, Algorithm.COSIGNATURE)
    by = Policy((LOG.verifier,), (WITNESS.verifier, other.verifier, SECOND.verifier), 2)
    assert judged(LOG, WITNESS, other, by=by).assurance == "self-attested"


def test_a_strangers_cosignature_counts_for_nothing() -> None:
    stranger = SigningKey(WITNESS.name, b"\x0b" * 32, Algorithm.COSIGNATURE)
    by = Policy((LOG.verifier,), (WITNESS.verifier,), 1)
    assert judged(LOG, stranger, by=by).assurance == "self-attested"


def test_a_known_witnesss_bad_signature_spoils_the_checkpoint() -> None:
    by = Policy((LOG.verifier,), (WITNESS.verifier,), 1)
    signed = checkpoint.sign(MADE, LOG)
    moved = note.cosign(replace(MADE, size=21).text, WITNESS, TIME)
    with pytest.raises(SignatureError, match="not a signature"):
        opened(bytes(signed.with_signatures([moved])), by)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Policy(()),
        lambda: Policy((WITNESS.verifier,)),
        lambda: Policy((LOG.verifier,), (NEXT.verifier,)),
        lambda: Policy((LOG.verifier,), (SigningKey("w", LOG.seed, Algorithm.COSIGNATURE).verifier,), 1),
        lambda: Policy((LOG.verifier,), (SigningKey(LOG.name, LOG.seed, Algorithm.COSIGNATURE).verifier,), 1),
        lambda: Policy((LOG.verifier,), (WITNESS.verifier, replace(WITNESS, name="other").verifier), 2),
        lambda: Policy((LOG.verifier,), (WITNESS.verifier,), 2),
        lambda: Policy((LOG.verifier,), (WITNESS.verifier, WITNESS.verifier), 2),
        lambda: Policy((LOG.verifier,), (), -1),
    ],
)
def test_a_policy_in_which_somebody_could_vouch_twice_or_nobody_at_all_is_refused(make: Callable[[], Policy]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


LINES = f"""# who is believed
log {LOG.verifier}
witness tihek {WITNESS.verifier} https://witness.example/
\twitness baro   {SECOND.verifier}

group both 2 tihek baro
quorum both
"""


def test_a_policy_file_says_who_is_believed() -> None:
    assert policy.parse(LINES) == Policy(
        (LOG.verifier,), (WITNESS.verifier, SECOND.verifier), 2, {WITNESS.name: "https://witness.example/"}
    )
    assert policy.parse(LINES.replace("both 2", "both any")).quorum == 1
    assert policy.parse(LINES.replace("both 2", "both all")).quorum == 2
    assert policy.parse(LINES.replace("quorum both", "quorum baro")).witnesses == (SECOND.verifier,)
    assert policy.parse(LINES.replace("quorum both", "quorum none")).quorum == 0


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("quorum both", ""),
        ("quorum both", "quorum nobody"),
        ("quorum both", "quorum both\nquorum both"),
        ("both 2", "both 3"),
        ("both 2", "both 0"),
        ("both 2", "both 02"),
        ("both 2", "both -1"),
        ("both 2", "both"),
        ("tihek baro", "tihek tihek"),
        ("tihek baro", "tihek nobody"),
        ("group both", "group tihek"),
        ("group both", "group none"),
        ("witness tihek", "witness baro"),
        ("log ", "log x"),
        ("log ", "# "),
        ("# who", "who"),
        ("https://", "https:// "),
        ("tihek baro", "tihek\x0b baro"),
        (str(SECOND.verifier), str(WITNESS.verifier)),
        (str(LOG.verifier), str(WITNESS.verifier)),
        ("\n", "\r\n"),
        ("# ", "#" * 70_000),
    ],
)
def test_a_policy_file_that_can_be_misread_is_refused(line: str, instead: str) -> None:
    assert line in LINES
    with pytest.raises(PolicyFormatError):
        policy.parse(LINES.replace(line, instead))


def test_a_policy_file_names_no_witness_twice() -> None:
    twice = LINES.replace("both 2", "both any").replace(str(SECOND.verifier), str(WITNESS.verifier))
    with pytest.raises(PolicyFormatError, match="one key"):
        policy.parse(twice)


@given(st.lists(st.sampled_from([*LINES.split("\n"), "group a any both", "log", "quorum none", "\0"]), max_size=9))
def test_reading_a_garbled_policy_raises_a_format_error_or_gives_a_policy(lines: list[str]) -> None:
    try:
        assert policy.parse("\n".join(lines)).logs
    except PolicyFormatError:
        return
