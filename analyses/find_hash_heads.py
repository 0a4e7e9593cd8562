"""Which heads copy by looking an n-gram up, for which n, and is that how the model copies?

Trains a small transformer on the copy task (or takes the model you name), scores every head, takes the
lookup heads away, compares that with taking away as many others, and leaves one page to look at.

  python analyses/find_hash_heads.py                              the demo model, trained once and kept
  python analyses/find_hash_heads.py --model 'planted:ngram?n=4'  a model whose mechanism is known
  python analyses/find_hash_heads.py --model runs/mine            a model of your own

The same as `interp heads`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("heads", says=__doc__)
