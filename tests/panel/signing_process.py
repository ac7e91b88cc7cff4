"""A signer's process for tests: signs without rest, until it is killed.

SIGNER=postgresql://… FOLDER=… python -m tests.panel.signing_process
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import create_engine

from audit.checkpoint_folder import CheckpointFolder
from itm_admin.foundation.database import engine_options
from itm_admin.ledger.keyring import SigningKeyFile
from itm_admin.ledger.signing import Signing, SigningPlace

if __name__ == "__main__":
    folder = Path(os.environ["FOLDER"])
    outside = CheckpointFolder(folder / "checkpoints")
    signing = Signing(SigningPlace(outside, SigningKeyFile(folder / "key", outside)))
    engine = create_engine(os.environ["SIGNER"], **engine_options())
    while True:
        signing.round(engine)
