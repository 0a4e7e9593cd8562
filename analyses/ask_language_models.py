"""How long a text can a language model copy, and how much can it look up in one?

Asks one or more language models to copy texts, in order and shuffled, to look up numbers in phone books, to find a
passkey and to answer questions, and puts accuracy by length, with intervals, on one page.

  python analyses/ask_language_models.py --model gguf:model.gguf
  python analyses/ask_language_models.py --model hf:models/pythia --model hf:models/mamba --text book.txt

The same as `interp language`; `--help` says the rest.
"""

from interp.cli import run_command

if __name__ == "__main__":
    run_command("language", says=__doc__)
