"""Where does each head look on one string? One page to look at, to work with and to send to others.

Scores the heads (which look an n-gram up, for which n), takes the lookup heads and then the gather heads away, and
writes one self-contained page: every head small, one of them large, the string, its matches, what the head is known to
do.

  python analyses/export_attention.py                                          the demo model on a string that is drawn
  python analyses/export_attention.py --prompt kqvbtzahkqv --heads L1H0 L1H1   a string and heads of your own
  python analyses/export_attention.py --model mamba --ablate L0H0 --kind zero  hidden attention, and without one layer's
  python analyses/export_attention.py --model hf:PATH --prompt 'any text'      a pretrained model

The same as `interp view`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("view", says=__doc__)
