"""How full is a model's state, what does it hold and use, and is that the state?

Measures the bits of a string that the state holds and that the answer uses, by length, with what any untrained model
would hold beside it; finds where they stop growing; puts the state of one string into the run on another, whole and in
parts; and leaves one page to look at.

  python analyses/measure_saturation.py                                        a small Mamba, trained once and kept
  python analyses/measure_saturation.py --model mamba --model lstm --model hard-alibi        three, side by side
  python analyses/measure_saturation.py --model 'planted:register?k=8'         a memory whose capacity is known
  python analyses/measure_saturation.py --model runs/mine --lengths 4 8 16 32  a model and lengths of your own

The same as `interp state`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("state", says=__doc__)
