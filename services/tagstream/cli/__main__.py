"""`tagstream`, the same as `python -m tagstream.cli`: errors become one line, not a traceback.

Exit status: 0 done; 1 it could not be done; 2 wrong arguments.
"""

from __future__ import annotations

import os
import sys

import click

from tagstream.cli.group import cli
from tagstream.errors import TagstreamError


def main() -> None:
    """The console script."""
    try:
        status = cli.main(prog_name="tagstream", standalone_mode=False)
    except click.ClickException as error:
        _fail(_one_line(error), error.exit_code)
    except click.Abort:
        sys.exit(130)
    except TagstreamError as error:
        _fail(" ".join(str(error).split()), 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader has gone (`tagstream events | head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(" ".join(str(error).split()), 1)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message.rstrip('.')} (see {error.ctx.command_path} --help)"
    return message


def _fail(message: str, status: int) -> None:
    click.echo(f"tagstream: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
