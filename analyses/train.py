"""Train a small copier and keep it in a run folder.

  python analyses/train.py                                     the demo's model, in ten seconds of one CPU core
  python analyses/train.py --model rope --seed 1 --out runs/rope-1
  python analyses/train.py --resume --out runs/rope-1          go on after Ctrl-C, a crash or a power cut
  accelerate launch --multi_gpu --num_processes 2 analyses/train.py
                                                               GPUs (without any: CPU processes) share each batch

The same as `interp train`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("train", says=__doc__)
