"""Builds the auditor's verifier: one HTML page, and one Python file.

Promise: both are made from committed files alone; the page's policy lets it run its own script and load nothing. Knows
no database.
"""

from __future__ import annotations

import io
import re
import zipapp
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

_HERE = Path(__file__).parent
SCRIPTS = (
    "words.js",
    "bytes.js",
    "archive.js",
    "merkle.js",
    "notes.js",
    "trust.js",
    "judge.js",
    "bundle.js",
    "proof.js",
    "page.js",
)
MODULES = (
    "__init__ authority bundle bundle_judge bundle_stamps canonical_json canonical_zip checkpoint compact_range"
    " event evidence_report fast_check key key_statements leaf merkle note numerals policy proof purge timestamp"
    " timestamp_message verification verify"
).split()
_MAIN = """import sys
try:
    from audit.verify import main
except ImportError as error:
    print(f"cannot tell: {error.name or error} is not installed (pip install cryptography)", file=sys.stderr)
    sys.exit(2)
sys.exit(main())
"""


def page() -> str:
    """The page, without any other file or address."""
    script = '"use strict";\n(() => {\n' + "\n".join(_read(name) for name in SCRIPTS) + "})();\n"
    style = _read("page.css")
    own = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    parts = {"policy": policy, "style": style, "script": script}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def program() -> bytes:
    """`itm-verify.pyz`: `python itm-verify.pyz FILE --key VKEY`; needs Python 3.11 and `cryptography`."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "audit"
        package.mkdir()
        for name in MODULES:
            (package / f"{name}.py").write_bytes((_HERE.parent / f"{name}.py").read_bytes())
        (Path(folder) / "__main__.py").write_text(_MAIN, "utf-8")
        made = io.BytesIO()
        zipapp.create_archive(folder, made, interpreter="/usr/bin/env python3", compressed=True)
        return made.getvalue()


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _hash(content: str) -> str:
    """The script's hash for the page's policy: of the text between the tags."""
    return "sha256-" + b64encode(sha256(content.encode()).digest()).decode()
