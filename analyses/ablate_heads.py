"""What does a model lose without some of its heads?

Takes heads away, each alone and all together, and compares that with taking away as many other heads, or as much other
attention. Roles are measured first, on other strings, so that no head with a role serves as a control.

  python analyses/ablate_heads.py                                       the lookup heads of the demo model
  python analyses/ablate_heads.py --heads L1H0 L0H4 --kind resample --length 60

The same as `interp ablate`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("ablate", says=__doc__)
