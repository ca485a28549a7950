import json
import os
import sys
from importlib import metadata

name, lib = sys.argv[1:]
if os.path.isdir(lib):
    sys.path.insert(0, lib)
entries = metadata.distribution(name).entry_points
# The part of a value in brackets names extras.
found = {entry.name: entry.value.partition("[")[0].strip() for entry in entries if entry.group == "console_scripts"}
print(json.dumps(found))
