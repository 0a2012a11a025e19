"""The command that makes certificates for several machines: `python -m master certs`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from common.errors import UsageError
from common.rpc.credentials import PeerRole
from master.views.terminal import PlainScreen


@click.command(
    help="Make certificates for a master and workers on several machines: a folder for each role.",
    short_help="Make certificates for several machines.",
)
@click.option("--out", default="certs", type=click.Path(path_type=Path), help="A new folder.  [certs]")
@click.option("--days", default=365, type=click.IntRange(1, 3650), help="How long they are valid.  [365]")
@click.option("--forget-ca-key", is_flag=True, help="Do not keep the key that signs more certificates.")
def certs(out: Path, days: int, forget_ca_key: bool) -> None:
    """Make the folders, and say where they belong."""
    from master.cli.authority import make_folders  # only here: other commands need not wait for it

    try:
        make_folders(out, datetime.now(UTC) + timedelta(days=days), keep_authority_key=not forget_ca_key)
    except FileExistsError:
        raise UsageError(f"{out} is there already; remove it first, or choose another --out") from None
    except OSError as error:
        raise UsageError(f"{error.filename or out}: {error.strerror}") from None
    lines = [
        f"copy {out / role} to each {role}'s host, and start it there with --certs {role}"
        for role in PeerRole
    ]
    if not forget_ca_key:
        lines.append(f"keep {out / 'ca.key'} off those hosts: whoever has it can take any role")
    PlainScreen().say(lines)
