"""Run checks on the pretended device, in a process of their own: a line of JSON each, [name, what went wrong]."""

import json
import sys
import traceback

from tests.devices.checks import Impossible, check  # noqa: TID251
from tests.devices.pretend import pretending  # noqa: TID251

for name in sys.argv[1:]:
    told = None
    try:
        with pretending() as device:
            check(name, device)
    except Impossible as reason:
        told = f"impossible: {reason}"
    except Exception:
        told = traceback.format_exc()
    print(json.dumps([name, told]), flush=True)
