"""Does a model with a larger state copy longer strings before it is full?

Trains a family of models that differ in the size of their state, on strings longer than they can copy, each at several
learning rates (kept, so that a second run is quick), measures how many bits of a string each uses, by length, and where
that stops growing; and leaves one page to look at.

  python analyses/grow_state.py                                          Mambas of six state sizes
  python analyses/grow_state.py --kind lstm --vary d_model --values 16 24 32 48 64 --longest 16

The same as `interp grow`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("grow", says=__doc__)
