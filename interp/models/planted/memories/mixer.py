"""The layer of a memory built by hand: h_t = A_bar h_(t-1) + write_t, read by y_t = C_t h_t."""

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint
from interp.models.planted.clock import Clock, log_probabilities
from interp.models.planted.memories.codes import decoding, encoding, hashes, interference, places
from interp.models.planted.memories.description import Memory
from interp.models.recurrent.mixer import Mixer, RecurrentState

OPEN = 0.5
"""How much of a hash is in use, below which it is free."""


class CodedMixer(Mixer):
    """A recurrence over the numbers of a code, everything at a hook point.

    `hook_write` [batch pos number], what each token adds; `hook_state` [batch pos number], where an edit changes what
    is read at that position alone; `h.5` [batch number], where it is carried on; `hook_C` [batch pos slot], the slot
    that is asked for; `hook_y` [batch pos letter], the probabilities that are read. Carried beside `h`: the `clock`,
    which holds the length and nothing of the letters; of "sums", `before`, the letter just read, until the slots are
    full.
    """

    large = ("hook_write", "hook_state")
    encode: Tensor
    decode: Tensor
    move: Tensor
    scale: Tensor
    least: Tensor
    interference: Tensor
    hashes: Tensor
    sums: Tensor

    def __init__(self, config: Memory) -> None:
        super().__init__()
        self.config = config
        self.hook_write, self.hook_state = HookPoint(), HookPoint()
        self.hook_C, self.hook_y = HookPoint(), HookPoint()
        encode, (scale, least), letters = encoding(config), places(config), torch.arange(config.alphabet)
        tables = {
            "encode": encode,
            "decode": decoding(config),
            "move": _moving(config, encode),
            "scale": scale,
            "least": least,
            "interference": interference(config),
            "hashes": hashes(config) if config.code == "hashed" else torch.zeros(0),
            "sums": torch.nn.functional.one_hot((letters[:, None] + letters) % config.alphabet, config.alphabet),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)

    def init_weights(self, generator: torch.Generator) -> None:
        """A planted memory has none."""

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        before = {"before": (self.config.alphabet,)} if self.config.code == "sums" else {}
        return {"h": (self.encode.shape[2],), "clock": (3,), **before}

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read tokens, one-hot; returns logits at the positions from `first` on."""
        letters, start = x[..., : self.config.alphabet], 0 if past is None else past.length
        carried = {} if past is None else past.parts
        clock = Clock.after(x, self.config.alphabet, carried.get("clock"))
        before = self._before(letters, clock, carried.get("before"))
        slots = torch.arange(self.config.k, device=x.device)
        slot = clock.read - 1 if self.config.keeps == "first" else torch.zeros_like(clock.read)
        place = (slots == slot[..., None]) * (letters.sum(dim=-1) * (1 - clock.copying))[..., None]
        write = self.hook_write(self._write(letters, place.to(x.dtype), before))
        h = carried.get("h")
        h = write.new_zeros(len(x), write.shape[2]) if h is None else h
        states = self._states(h, place, write, self.edited("h", start, x.shape[1]))
        if past is not None:
            last = {"h": states[:, -1].clone(), "clock": clock.last}
            past.advance(x.shape[1], **last | ({} if before is None else {"before": self._still(letters, clock)}))
        asked, fetched = self._asked(clock)
        C = self.hook_C(((slots == asked[..., None]) & fetched[..., None]).to(x.dtype))
        y = self.hook_y(self._read(self.hook_state(states), C, clock, letters))
        return log_probabilities(y, clock.ended)[:, first:]

    # ------------------------------------------------------------------ reading a string

    def _write(self, letters: Tensor, place: Tensor, before: Tensor | None) -> Float[Tensor, "batch pos number"]:
        if before is not None:
            letters = einsum(letters, before, self.sums.to(letters), "b p i, b p j, i j k -> b p k")
        slots = einsum(letters, place, "b p l, b p s -> b p s l").flatten(2)
        return slots @ self.encode.to(slots).flatten(0, 1)

    def _before(self, letters: Tensor, clock: Clock, carried: Tensor | None) -> Tensor | None:
        """For "sums": the letter that was read before each, or letter 0."""
        if self.config.code != "sums":
            return None
        zeros = torch.zeros_like(letters[:, :1])
        earlier = torch.cat([zeros if carried is None else carried[:, None], letters[:, :-1]], dim=1)
        none = torch.zeros_like(earlier)
        none[..., 0] = 1
        return torch.where((clock.read == 1)[..., None], none, earlier)

    def _still(self, letters: Tensor, clock: Clock) -> Float[Tensor, "batch letter"]:
        """The letter just read, while it is needed."""
        return letters[:, -1] * (clock.read < self.config.k)[:, -1:]

    def _states(
        self, h: Tensor, place: Tensor, write: Tensor, edited: dict[int, HookPoint]
    ) -> Float[Tensor, "batch pos number"]:
        config, states = self.config, []
        reading = place.sum(dim=-1, keepdim=True) > 0
        for at, (new, stores) in enumerate(zip(write.unbind(1), reading.unbind(1), strict=True)):
            if config.code == "hashed":
                new = new * (self._in_use(h, new) < OPEN)
            moved = h if config.keeps == "first" else h @ self.move.to(h)
            moved = config.fade * moved + new
            moved = (moved / config.grid).round() * config.grid if config.grid else moved
            h = torch.where(stores, moved, h)
            h = edited[at](h) if at in edited else h
            states.append(h)
        return torch.stack(states, dim=1)

    def _in_use(self, h: Tensor, new: Tensor) -> Float[Tensor, "batch one"]:
        """How much of the hash of what is written is in use."""
        table = self.hashes.to(h).flatten(0, 1)
        return ((h @ table) * (new @ table)).sum(dim=-1, keepdim=True)

    # ------------------------------------------------------------------ writing its copy

    def _asked(self, clock: Clock) -> tuple[Tensor, Tensor]:
        """The slot that the next letter of the copy stands in, and whether it is read."""
        config, (length, at) = self.config, (clock.read, clock.written)
        kept = length.clamp(max=config.k)
        low = torch.zeros_like(length) if config.keeps == "first" else length - kept
        high = low + kept
        if config.reads is not None:
            beyond = length > config.reads_all_to
            if config.reads_last:
                low = torch.where(beyond, torch.maximum(low, high - config.reads), low)
            else:
                high = torch.where(beyond, torch.minimum(high, low + config.reads), high)
        fetched = (clock.copying > 0) & (at >= low) & (at < high)
        return (at if config.keeps == "first" else length - 1 - at), fetched

    def _read(self, states: Tensor, C: Tensor, clock: Clock, letters: Tensor) -> Float[Tensor, "batch pos letter"]:
        config = self.config
        if config.code == "numbers":
            number = einsum(states, C, self.decode[:, 0].to(states), "b p n, b p s, s n -> b p")
            scale, least = C @ self.scale.to(states), C @ self.least.to(states)
            digit = (number * scale + least).floor() % (config.alphabet + 1)
            found = digit[..., None] == torch.arange(1, config.alphabet + 1, device=states.device)
            return found.to(states) * C.sum(dim=-1, keepdim=True)
        every = (states @ self.decode.to(states).flatten(0, 1).T).unflatten(2, (config.k, config.alphabet))
        scores = einsum(every, C, "b p s l, b p s -> b p l")
        if config.estimates:
            return (self._certainty(clock)[..., None] * scores).softmax(dim=-1) * C.sum(dim=-1, keepdim=True)
        if config.code == "sums":
            before = letters.clone()
            before[..., 0] += clock.written == 0
            return einsum(scores, before, self.sums.to(states), "b p k, b p j, i j k -> b p i")
        return scores.clamp(0, 1)

    def _certainty(self, clock: Clock) -> Float[Tensor, "batch pos"]:
        """Nats for each unit of score: what is left of the letter, over the variance of the others in a score."""
        config, k = self.config, self.config.k
        read, at = clock.read.clamp(max=k).long(), clock.written.clamp(max=k - 1).long()
        left = config.fade ** (clock.read - 1 - clock.written).clamp(min=0)
        noise = self.interference.to(left)[read, at] + config.grid**2 / 12 + 1 / CLEAR
        return left / noise


CLEAR = 200.0
"""Nats for a letter without interference: a certain answer."""


def _moving(memory: Memory, encode: Float[Tensor, "slot letter number"]) -> Float[Tensor, "_ _"]:
    """The map that moves every slot on, in the numbers that are carried, for what keeps the last letters."""
    if memory.keeps == "first":
        return encode.new_zeros(0, 0)
    flat = encode.flatten(0, 1)
    shift = torch.diag(torch.ones(memory.k - 1, dtype=torch.float64), 1)
    moved = torch.kron(shift, torch.eye(memory.alphabet, dtype=torch.float64))
    return flat.T @ moved @ flat
