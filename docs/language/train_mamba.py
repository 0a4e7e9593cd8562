"""Train a tiny Mamba to write a text again: five minutes of processor time, kept as transformers keeps a model.

    python docs/language/train_mamba.py speeches.txt text-mamba
    interp language --model hf:text-mamba --text text-mamba/held_out.txt --tasks --state

A string is BOS, some tokens in a row of the text, a blank line, and the same tokens again; in one of five other tokens,
so that the model does not copy blindly. It learns short texts first, as a recurrence must. The last tenth of the text
is not seen: it is kept beside the model, in held_out.txt, for measurements.
"""

import sys
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from interp.models.pretrained.mamba import as_transformers
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig

TOKENS, LONGEST, STRINGS, STEPS, PEAK, WARM = 384, 12, 64, 4500, 4e-3, 200
OTHER = 0.2
"""Share of the strings whose second text is another one."""
SEED = 0
MARKS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}


def tokenizer_of(text: str) -> transformers.PreTrainedTokenizerFast:
    """Train a tokenizer of byte pairs; every word begins with its blank, the first too."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS, special_tokens=list(MARKS.values()), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([text], trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **MARKS)


def main(text_file: str, folder: str) -> None:
    """Train on a file of text and keep model and tokenizer in a folder."""
    text = " ".join(Path(text_file).read_text(encoding="utf-8").split())
    tokenizer = tokenizer_of(text)
    held_out = len(text) // 10
    tokens = torch.tensor(tokenizer(text[:-held_out], verbose=False)["input_ids"])
    begins = torch.tensor([tokenizer.decode(token).startswith(" ") for token in range(len(tokenizer))])
    words = begins[tokens].nonzero()[:, 0][:-100]
    mark = torch.tensor(tokenizer("\n\n")["input_ids"])
    model = HookedMamba(MambaConfig(d_model=128, d_vocab=len(tokenizer), initialization="mimetic"), seed=SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1, (i + 1) / WARM) * max(0.02, 1 - i / STEPS))
    drawn = torch.Generator().manual_seed(SEED)

    def pieces(length: int) -> torch.Tensor:
        starts = words[torch.randint(len(words), (STRINGS, 1), generator=drawn)]
        return tokens[starts + torch.arange(length)]

    begin = torch.full((STRINGS, 1), tokenizer.bos_token_id)
    for step in range(STEPS):
        length = int(torch.randint(1, min(LONGEST, 2 + step // 100) + 1, (), generator=drawn))
        one, other = pieces(length), pieces(length)
        again = torch.where(torch.rand(STRINGS, 1, generator=drawn) < OTHER, other, one)
        strings = torch.cat([begin, one, mark.expand(STRINGS, -1), again], dim=1)
        loss = torch.nn.functional.cross_entropy(model(strings[:, :-1]).flatten(0, 1), strings[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if step % 250 == 0:
            sys.stdout.write(f"step {step} of {STEPS}: {loss.item():.2f} nats a token at {length} tokens\n")
            sys.stdout.flush()
    kept = as_transformers(model, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    kept.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (Path(folder) / "held_out.txt").write_text(text[-held_out:], encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
