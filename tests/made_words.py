"""Tokenizers that are made in a moment: of byte pairs, and of words for each letter of a planted copier."""

import pytest

WORDS = tuple(
    [
        "amber",
        "birch",
        "cedar",
        "delta",
        "ember",
        "fjord",
        "grove",
        "heath",
        "inlet",
        "juniper",
        "kelp",
        "larch",
        "meadow",
        "north",
        "ochre",
        "pine",
        "quartz",
        "river",
        "slate",
        "thyme",
        "umber",
        "violet",
        "willow",
        "xenon",
        "yarrow",
        "zephyr",
    ]
)
"""A word for each letter of the planted copier's alphabet."""


@pytest.fixture(scope="session")
def byte_pairs():
    """Byte pairs as GPT-2's, merged on the texts of the package; digits stand alone. Token 0 begins, token 1 ends."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from interp.tasks.text import Corpus

    made = Tokenizer(models.BPE())
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([Corpus.read().text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="session")
def words():
    """`word_tokenizer`."""
    return word_tokenizer()


def word_tokenizer():
    """Make a tokenizer with a token a word, blanks dropped; a blank line is the separator of the planted copier."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(WORDS)} | {"<s>": 26, "\n\n": 27, "</s>": 28, "<pad>": 29}
    made = Tokenizer(models.WordLevel(ids, unk_token="<pad>"))
    blank = pre_tokenizers.Split(Regex(" "), "removed")
    line = pre_tokenizers.Split(Regex("\n\n"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([line, blank])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="session")
def twenty_six() -> tuple[str, ...]:
    """A word for each letter of the planted copier."""
    return WORDS
