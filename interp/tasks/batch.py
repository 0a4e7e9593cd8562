"""Strings with their answers: `Batch`; and two batches that differ in known places: `ContrastPair`."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Logits, PosMask
from interp.base.errors import UserError
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Batch:
    """Strings, what follows each position, and where it is copied from: see the picture in `interp.tasks.base`.

    >>> batch = interp.CopyTask().sample(1, 3, generator=0)
    >>> batch.tokens.shape, batch.source[0].tolist()
    (torch.Size([1, 8]), [-1, -1, -1, -1, 1, 2, 3, -1])

    Raises: UserError for parts that do not fit together: shapes, dtypes, devices, ids and sources that cannot be.
    """

    tokens: Int[Tensor, "batch pos"]
    targets: Int[Tensor, "batch pos"]
    loss_mask: Bool[Tensor, "batch pos"]
    answer: Bool[Tensor, "batch pos"]
    source: Int[Tensor, "batch pos"]
    segment: Int[Tensor, "batch pos"] | None = None
    """Which packed string a position belongs to, if packed strings are isolated from each other; else None."""
    also: Int[Tensor, "batch pos place"] | None = None
    """Further positions that an answer letter is copied from by right, where there are several, earlier ones than
    `source`; -1: none. None where every letter has one source at most."""

    def __post_init__(self) -> None:
        if self.also is not None and (self.also.ndim != 3 or self.also.shape[:2] != self.tokens.shape):
            raise UserError(
                f"also of a batch must be of shape [batch pos place], {list(self.tokens.shape)} and a third axis here; "
                f"got {list(self.also.shape)}."
            )
        for name, part in vars(self).items():
            if name == "also":
                continue
            wanted = torch.bool if name in ("loss_mask", "answer") else torch.long
            if part is not None and (part.shape != self.tokens.shape or part.ndim != 2 or part.dtype != wanted):
                raise UserError(
                    f"{name} of a batch must be {str(wanted).removeprefix('torch.')} of shape [batch pos], "
                    f"{list(self.tokens.shape)} here; got {str(part.dtype).removeprefix('torch.')} of "
                    f"{list(part.shape)}."
                )
            if part is not None and part.device != self.tokens.device:
                raise UserError(
                    f"{name} of a batch must be on {self.tokens.device}, where its tokens are; got {part.device}."
                )
        if self.tokens.device.type != "cpu":  # a look at the numbers would wait for them
            return
        if _least(self.tokens) < 0 or (
            _least(self.targets) < 0 and _least(self.targets.masked_fill(~self.loss_mask & ~self.answer, 0)) < 0
        ):
            raise UserError("token ids of a batch must be at least 0; got negative ones.")
        if _least(self.source) < -1:
            raise UserError("source of a batch must be a position, or -1 for none; got less.")

    def check(self, vocabulary: Vocabulary) -> "Batch":
        """Check what a task has drawn, and return it: ids of the vocabulary, and answers that stand where they should.

        Raises: UserError for an id that the vocabulary does not have, an answer that is not trained, or a source that
            comes after the query or holds another letter than the answer.
        """
        largest = max(int(self.tokens.max()), int(self.targets.max()))
        if largest >= vocabulary.size:
            raise UserError(
                f"token ids of a batch must be below {vocabulary.size}, as the vocabulary says; got {largest}."
            )
        if bool((self.answer & ~self.loss_mask).any()):
            raise UserError("loss_mask of a batch must cover the answer; got an answer that is not trained.")
        places = torch.arange(self.tokens.shape[1], device=self.source.device)
        if bool((self.source > places).any()):
            raise UserError("source of a batch must be a position up to the one that asks; got a later one.")
        for source in (self.source, *([] if self.also is None else self.also.unbind(dim=2))):
            copied = self.tokens.gather(1, source.clamp(min=0)) == self.targets
            if bool((self.answer & (source >= 0) & ~copied).any()):
                raise UserError("source of a batch must hold the answer's letter; got another one there.")
        return self

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def to(self, device: torch.device | str) -> "Batch":
        """Move the strings to a device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def rows(self, index: slice) -> "Batch":
        """Take some of the strings, as a batch."""
        return replace(self, **{name: value[index] for name, value in vars(self).items() if value is not None})

    @property
    def answer_lengths(self) -> Int[Tensor, " batch"]:
        """Letters of each string's answer."""
        return self.answer.sum(dim=1)

    @property
    def answer_tokens(self) -> Int[Tensor, "batch letter"]:
        """The token ids of the answers, without what stands around them.

        Raises: UserError for answers of different lengths.
        """
        lengths = self.answer_lengths
        if len(lengths) and bool((lengths != lengths[0]).any()):
            raise UserError(
                f"answers must be of one length; got {int(lengths.min())} to {int(lengths.max())} letters. Draw "
                f"strings of one length, and of a lookup answers of one length."
            )
        return self.targets[self.answer].view(len(self), -1)

    @property
    def copied_from(self) -> PosMask:
        """The positions that an answer letter is copied from."""
        found = torch.zeros_like(self.answer, dtype=torch.uint8)
        for source in (self.source, *([] if self.also is None else self.also.unbind(dim=2))):
            asked = (self.answer & (source >= 0)).to(torch.uint8)
            found = found.scatter_reduce(1, source.clamp(min=0), asked, "amax")
        return found.bool()

    @property
    def prompt_end(self) -> Int[Tensor, " batch"]:
        """The last position of each prompt, which asks for the first letter of the (first) answer; -1 without one."""
        return self.answer.byte().argmax(dim=1).masked_fill(~self.answer.any(dim=1), -1)

    @property
    def string_start(self) -> Int[Tensor, " batch"]:
        """The first position that an answer letter is copied from; -1 where none is."""
        copied = self.copied_from
        return copied.byte().argmax(dim=1).masked_fill(~copied.any(dim=1), -1)

    def whole(self) -> Int[Tensor, "batch whole"]:
        """The whole strings, from the first token to the last target: `$cab|cab.`"""
        return torch.cat([self.tokens[:, :1], self.targets], dim=1)


def _least(values: Int[Tensor, "batch pos"]) -> int:
    """The smallest of them; 0 where there is none."""
    return int(values.numpy().min()) if values.numel() else 0


@dataclass(frozen=True)
class ContrastPair:
    """Strings, and the same strings with a known difference that changes one answer: what patching starts from.

        clean       $ c a b | c a b     asks at the second c for a
        corrupted   $ c d b | c d b     asks there for d

    >>> pair = interp.CopyTask().contrast(2, 4, place=1, generator=0)
    >>> pair.query.tolist(), bool((pair.clean_answer != pair.corrupted_answer).all())
    ([6, 6], True)

    Raises: UserError for pairs that do not differ where they should.
    """

    clean: Batch
    corrupted: Batch
    query: Int[Tensor, " batch"]
    """The position in `tokens` whose next token is asked for."""

    def __post_init__(self) -> None:
        if self.clean.tokens.shape != self.corrupted.tokens.shape or self.query.shape != (len(self.clean),):
            raise UserError(
                f"a contrast must be of two batches of one shape and a query for each string; got "
                f"{list(self.clean.tokens.shape)}, {list(self.corrupted.tokens.shape)} and {list(self.query.shape)}."
            )
        if self.query.device.type != "cpu":
            return
        seen = torch.arange(self.clean.tokens.shape[1]) <= self.query[:, None]
        if bool((self.clean_answer == self.corrupted_answer).any() | (~(self.differs & seen).any(dim=1)).any()):
            raise UserError(
                "a contrast must change what each query is answered, by a token that it can see; got a "
                "query for which it does not."
            )

    def __len__(self) -> int:
        return len(self.clean)

    def to(self, device: torch.device | str) -> "ContrastPair":
        """Move both batches to a device."""
        return ContrastPair(self.clean.to(device), self.corrupted.to(device), self.query.to(device))

    def rows(self, index: slice) -> "ContrastPair":
        """Take some of the pairs."""
        return ContrastPair(self.clean.rows(index), self.corrupted.rows(index), self.query[index])

    @property
    def differs(self) -> PosMask:
        """The positions at which the two token sequences differ."""
        return self.clean.tokens != self.corrupted.tokens

    @property
    def clean_answer(self) -> Int[Tensor, " batch"]:
        """The token that the clean query should be answered."""
        return self.clean.targets.take_along_dim(self.query[:, None], 1)[:, 0]

    @property
    def corrupted_answer(self) -> Int[Tensor, " batch"]:
        """The token that the corrupted query should be answered."""
        return self.corrupted.targets.take_along_dim(self.query[:, None], 1)[:, 0]

    def logit_difference(self, logits: Logits) -> Float[Tensor, " batch"]:
        """The clean answer's logit less the corrupted one's, at the query."""
        at = logits.take_along_dim(self.query[:, None, None], 1)[:, 0]
        answers = torch.stack([self.clean_answer, self.corrupted_answer], dim=1)
        clean, corrupted = at.gather(1, answers).unbind(dim=1)
        return clean - corrupted
