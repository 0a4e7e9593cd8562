"""Does what "Repeat After Me" says hold? Runs its claims one by one, with their critics among the arms.

  python analyses/reproduce_paper.py --list                        what would run, and how long it takes
  python analyses/reproduce_paper.py samples length --workers 2    two claims
  python analyses/reproduce_paper.py --size tiny                   a look at the machinery

The same as `interp reproduce`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("reproduce", says=__doc__)
