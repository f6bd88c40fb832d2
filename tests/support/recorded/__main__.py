"""Record the digests of new cases. With the argument ``before``, first write the files of ``before/``."""

import json
import sys

from support import recorded

if sys.argv[1:] == ["before"]:
    recorded.before.write_before()
known = recorded.recorded_digests()
known |= {name: recorded.digest_of(case()) for name, case in recorded.CASES.items() if name not in known}
recorded.RECORDED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
