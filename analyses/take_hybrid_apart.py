"""What does attention add to a recurrence?

Takes away what a hybrid's attention remembers of a string, what its recurrence does, and what each writes; finds the
heads that look up and the recurrent layers that gather for them; and says how small the recurrent state may be.

  python analyses/take_hybrid_apart.py                                          the preset hybrid
  python analyses/take_hybrid_apart.py --model planted:hybrid?part=lookup

The same as `interp hybrid`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("hybrid", says=__doc__)
