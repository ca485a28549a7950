"""Begins a program of a package: start.py MODULE:FUNCTION ARGS."""
import os
import sys
from importlib import import_module

lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
if os.path.isdir(lib):
    import site

    sys.path.insert(0, lib)
    site.addsitedir(lib)
module, _, names = sys.argv[1].partition(":")
# As the scripts that pip makes have it: the program sees its own arguments.
sys.argv[:2] = [module]
program = import_module(module)
for name in names.split("."):
    program = getattr(program, name)
sys.exit(program())
