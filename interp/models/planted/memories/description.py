"""`Memory`: a description of a memory built by hand. Plain data, and the config of the model that it is built into."""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.planted.one_layer import OneLayerConfig
from interp.models.stack.checks import require_choice, require_counts

CODES = ("one-hot", "turned", "numbers", "sums", "keys", "codes", "hashed")
KEEPS = ("first", "last")


@checked
@dataclass(frozen=True)
class Memory(OneLayerConfig):
    """What a memory keeps of a string, how it is coded, and how much of it is read. Slot i belongs to the i-th letter
    that is kept; empty slots hold zeros.

    The codes, by the numbers that they carry:

        one-hot   slot by letter, 1 at each letter that is kept
        turned    the same, turned by a random orthogonal matrix
        numbers   `digits` letters as the digits of one number, in base D + 1; 0 is an empty slot
        sums      one-hot, not of the letter but of its sum with the letter before it, modulo D
        keys      sum over letters of (a random unit vector of the place) x (the letter, one-hot): linear attention
        codes     sum over letters of a random vector of place and letter: superposition
        hashed    one-hot; a letter is kept only if a hash of place and letter (`hashes` values) is still free

    >>> Memory("numbers", k=6, digits=3, alphabet=8).k
    6

    Raises: UserError for a value that cannot be.
    """

    code: str = "one-hot"
    """One of `CODES`."""
    keeps: str = "first"
    """Which letters are kept where more come than there are slots: "first" or "last"."""
    k: int = 8
    """Slots."""
    alphabet: int = 8
    width: int = 32
    """For "keys" and "codes": numbers of a key, or of a code."""
    digits: int = 2
    """For "numbers": letters in one number."""
    most_significant_first: bool = True
    """For "numbers": whether the first letter of a number is its most significant digit."""
    hashes: int = 4
    """For "hashed": values of the hash, each of which lets one letter in. They divide the alphabet."""
    fade: float = 1.0
    """Share of the state that is left after each letter."""
    grid: float = 0.0
    """Step to which every number of the state is rounded after each letter; 0: it is not."""
    matched: bool = False
    """For "keys": whether a letter is read by its own key, from which the other letters are not subtracted. "codes" are
    always read so."""
    reads: int | None = None
    """Letters that are read of strings longer than `reads_all_to`: the first or last of those kept; None: all."""
    reads_last: bool = False
    reads_all_to: int = 0
    """Length up to which all that is kept is read."""
    seed: int = 0
    """Seed of the random matrix, keys, codes or hashes."""

    def __post_init__(self) -> None:
        require_choice("code", self.code, CODES)
        require_choice("keeps", self.keeps, KEEPS)
        require_counts(self, "k", "alphabet", "width", "digits", "hashes")
        if self.alphabet < 2:
            raise UserError(f"alphabet must be at least 2; got {self.alphabet}.")
        if self.keeps == "last" and self.code not in ("one-hot", "turned"):
            raise UserError(f"keeps must be first with code {self.code}; got last. Slots move in a one-hot code alone.")
        if not 0 < self.fade <= 1 or not 0 <= self.grid < 1:
            raise UserError(f"fade must be in (0, 1] and grid in [0, 1); got {self.fade} and {self.grid}.")
        if self.code == "keys" and not self.matched and self.k > self.width:
            raise UserError(f"k must be at most width, {self.width}, to read keys apart; got {self.k}. Set matched.")
        if self.code == "hashed" and self.alphabet % self.hashes:
            raise UserError(f"hashes must divide the alphabet, {self.alphabet}; got {self.hashes}.")

    @property
    def estimates(self) -> bool:
        """Whether a letter is read through the interference of the others, with a probability below 1."""
        return self.code == "codes" or (self.code == "keys" and self.matched)

    def kept(self, length: int) -> range:
        """Which letters of a string are kept, from 0; of "hashed", which may be."""
        return range(min(length, self.k)) if self.keeps == "first" else range(max(0, length - self.k), length)

    def read(self, length: int) -> range:
        """Which of them are read."""
        kept = self.kept(length)
        if self.reads is None or length <= self.reads_all_to:
            return kept
        return kept[max(0, len(kept) - self.reads) :] if self.reads_last else kept[: self.reads]
