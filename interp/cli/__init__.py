"""The command `interp`: a subcommand for each study of one model, each experiment on many, and what models there are.

In the order in which a command line passes through it:

    entry      `interp COMMAND ...`: which command it is; `python -m interp` and the scripts of analyses/ come in here
    commands   every command by its name, with what its help says
    options    the options that commands share, each written once
    parsing    from a command line to options, by tyro; refuses numbers and text that nothing could use
    help       what --help says of each option, in whole paragraphs
    streams    stdout and stderr that outlive their reader; lines and tables for a terminal, a pipe, a file
    endings    how a command ends: done, refused, interrupted, out of memory
    places     the folder for what is found, made before the work and removed again if nothing comes of it
    devices    the device that was asked for
    live       what runs, what is left, and when it will end
    studies, grow, record, reproduce, train, presets    what the commands do

`--help` stays fast as long as nothing here imports torch, or what imports it, before the work begins.
"""

from interp.cli.entry import main as main
from interp.cli.entry import run_command as run_command
