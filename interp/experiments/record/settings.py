"""Which copiers are trained, and how far each is followed."""

from dataclasses import dataclass

from interp.base.errors import UserError, unknown

SIZES = ("tiny", "laptop")


@dataclass(frozen=True)
class RecordSettings:
    """What is trained and measured. `tiny` is for a look at the machinery."""

    arms: tuple[str, ...] = ("long32",)
    """Names of `run.arms.ARMS`."""
    seeds: int = 5
    """Trainings of each arm."""
    lengths: tuple[int, ...] = (64, 256, 1024, 2048, 4096, 16_384, 65_536)
    """Letters of the strings that are copied."""
    strings: tuple[int, ...] = (500, 500, 500, 500, 500, 20, 4)
    """How many, at each of the lengths."""
    margin_lengths: tuple[int, ...] = (128, 512, 1024)
    """Letters of the strings on which margins are measured, from which the rest is predicted."""
    margin_strings: int = 40
    """How many of each."""
    steps: int | None = None
    """Steps of each training, in place of the recipe's; its phases begin where they do."""
    learning_rate: float | None = None
    """Peak of the learning rate of each training, in place of the recipe's."""

    def __post_init__(self) -> None:
        if len(self.lengths) != len(self.strings) or not self.lengths or min(self.strings) < 1:
            raise UserError(
                f"strings must be a number of at least 1 for each of the {len(self.lengths)} lengths; got "
                f"{self.strings}."
            )
        if self.seeds < 1:
            raise UserError(f"seeds must be an integer of at least 1; got {self.seeds}.")

    @classmethod
    def of_size(cls, size: str) -> "RecordSettings":
        """Settings by the name of their size.

        Raises: UserError for another name.
        """
        if size not in SIZES:
            raise unknown("size", size, SIZES)
        return cls.tiny() if size == "tiny" else cls()

    @classmethod
    def tiny(cls) -> "RecordSettings":
        """Five arms, a few steps, few strings: a look at the machinery."""
        return cls(
            arms=("long32", "softmax-nape", "forget", "path", "one-layer"),
            seeds=1,
            lengths=(16, 48),
            strings=(4, 2),
            margin_lengths=(16, 32),
            margin_strings=3,
            steps=4,
        )
