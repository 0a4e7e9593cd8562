"""The strings on which heads are scored, drawn one purpose after the other from one generator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch

from interp.base.seeds import own_generator
from interp.measure.heads.settings import HeadSettings
from interp.tasks.base import Batch, Task
from interp.tasks.probes.planted_repeats import offset_swaps, order_swaps, planted_repeats
from interp.tasks.probes.probe import Probe


class Strings:
    """Draws the strings, one purpose after the other, from one generator."""

    def __init__(
        self,
        task: Task,
        length: int | tuple[int, int],
        generator: torch.Generator,
        settings: HeadSettings,
        device: torch.device,
    ) -> None:
        self.task, self.length, self.generator = task, length, generator
        self.settings, self.device = settings, device

    def of_every_match(self, place: Literal[0, 1] = 0) -> Probe:
        """Draw `strings` probes for each match length, k = 0 first; about the first of the two places, before the copy
        itself holds the repeat once more, unless told."""
        longest, strings = self.settings.longest, self.settings.strings
        k = torch.arange(longest + 1).repeat_interleave(strings)
        probe = planted_repeats(self.task, k, self.length, self.generator, exclusive=True, context=longest, place=place)
        return probe.to(self.device)

    def of_every_offset(self) -> tuple[Probe, Probe]:
        """Draw `strings` probes for each offset, 0 first, whose places agree but for the letter there; and the same
        with the copied letter changed to the rival's."""
        t = torch.arange(self.settings.longest).repeat_interleave(self.settings.strings)
        probe, tokens = offset_swaps(self.task, t, self.settings.longest, self.length, self.generator)
        edited = replace(probe, batch=replace(probe.batch, tokens=tokens))
        return probe.to(self.device), edited.to(self.device)

    def of_every_order(self, pairs: Sequence[tuple[int, int]]) -> tuple[Probe, Probe]:
        """Draw `strings` probes for each pair of offsets, in turn, whose places agree but that these two letters are
        exchanged; and the same with the copied letters exchanged."""
        near, far = (torch.tensor(t).repeat_interleave(self.settings.strings) for t in zip(*pairs, strict=True))
        probe, tokens = order_swaps(self.task, near, far, self.settings.longest, self.length, self.generator)
        edited = replace(probe, batch=replace(probe.batch, tokens=tokens))
        return probe.to(self.device), edited.to(self.device)

    def apart(self, purpose: str, seed: int) -> "Strings":
        """Return the same with a generator of its own, so that the strings that follow here stay as they are."""
        drawn = own_generator(purpose, seed)
        return Strings(self.task, self.length, drawn, self.settings, self.device)

    def ordinary(self) -> Probe:
        """Ask one question to each of `strings` ordinary copies."""
        none = torch.zeros(self.settings.strings, dtype=torch.long)
        context = self.settings.longest
        probe = planted_repeats(self.task, none, self.length, self.generator, exclusive=False, context=context)
        return probe.to(self.device)

    def scrambled(self, probe: Probe) -> Probe:
        """Return a probe whose copied letters, up to the query, are others at random: what remains is where they
        stand."""
        tokens, vocabulary = probe.batch.tokens, self.task.vocabulary
        at = torch.arange(tokens.shape[1], device=tokens.device)
        copied = probe.whole.answer.roll(1, dims=1) & (at <= probe.query[:, None]) & (at > 0)
        drawn = torch.randint(self.task.n_letters, tokens.shape, generator=self.generator).to(tokens.device)
        other = torch.where(copied, vocabulary.ids(drawn), tokens)
        return replace(probe, batch=replace(probe.batch, tokens=other))

    def to_decode(self) -> Batch:
        """Draw copies on which letters are decoded, half to fit and half to test."""
        return self.task.sample(2 * self.settings.strings, self.length, self.generator).to(self.device)
