"""Which parts of a model copy, and are they enough?

Looks for the smallest set of edges between its parts that copies, tests it on other strings, beside random sets of the
same size, and takes its lookup heads apart: why they look where they look, and what is made up for when they go.

  python analyses/find_circuit.py                                       the demo model
  python analyses/find_circuit.py --model planted:ngram?n=3 --strings 128

The same as `interp circuit`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("circuit", says=__doc__)
