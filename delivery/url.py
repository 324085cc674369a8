"""`python -m delivery url staging`: the address of a slot, as its platform tells it."""

from __future__ import annotations

import argparse
import os
from typing import get_args

from delivery.deployer import Slot
from delivery.platforms import deployer


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = 'example: python -m delivery smoke "$(python -m delivery url staging)"'
    parser.add_argument("slot", choices=get_args(Slot))
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print(deployer(os.environ).url(arguments.slot))
    return 0
