"""Profile one script as `hasten profile` does, and write what was found to a file: RESULT SCRIPT [ARGUMENT ...]."""

import json
import sys
from pathlib import Path

import msgspec

from hasten.pipeline.script import examine_script

if __name__ == "__main__":
    run, found = examine_script(Path(sys.argv[2]), sys.argv[3:])
    said = (
        {"reason": run.reason}
        if found is None
        else {"profile": msgspec.to_builtins(found.profile), "lines": found.lines, "next": found.next}
    )
    Path(sys.argv[1]).write_text(json.dumps(said))
    sys.exit(run.exit_code)
