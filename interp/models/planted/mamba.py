"""The planted Mamba: an ordinary `HookedMamba` whose weights are set by hand so that it keeps the first K letters.

Layer 0 counts: letters, from the separator on anew, and all letters; and it notes the separator. S6 offers states that
are kept (Delta A = 0), and one that the separator empties (Delta without bound).

Layer 1 writes each letter to the slot of its number, and after the separator reads the slot of the next: B and C are
one-hot in the number, differences of ramps, which SiLU makes. SiLU(g x) / g is x or 0 for whole numbers x, to the last
bit with g = 64; three ramps make 1 at one number and 0 at the others. The copy ends where the letters behind the
separator are half of all.
"""

import math

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.planted.memory import MemoryConfig, PlantedCapacity
from interp.models.recurrent.mamba.mixer import MambaMixer
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig

KEPT = -40.0
"""A_log: Delta A is lost beside 1, so that nothing decays."""
EMPTIED = 1e20
"""Delta that empties a state all the same."""
LEAST = 25.0
"""Delta that empties a leaking state, whose A is -1."""
UNIT = math.log(math.e - 1)
"""b_dt of a channel that writes what it reads: softplus(UNIT) = 1."""
SILENT = -80.0
"""b_dt of a channel that writes nothing to its state: softplus is 1e-35."""
LOGIT = 30.0
LARGEST_SCALE = 1024.0


@checked_call
def planted_mamba(
    k: int = 8, alphabet: int = 26, scale: float = 64.0, leak: float = 0.0
) -> tuple[HookedMamba, PlantedCapacity]:
    """Build a Mamba that keeps the first `k` letters; after them all letters have the same probability.

    On strings of L > k letters its string accuracy is D^(k - L), as that of `register`; it ends its copies, too.

    >>> model, capacity = interp.models.planted.planted_mamba(k=4)
    >>> model.config.d_state, model.config.n_layers
    (4, 2)

    Args:
        k: letters that are kept, and numbers of state of each channel.
        alphabet: letters that there are.
        scale: of what enters a SiLU; a power of two makes products exact, and 64 ramps.
        leak: share by which the count fades with each letter. 0 needs a Delta of 1e20 at the separator, from which no
            training can go on; with 0.01 and a scale of 8 all weights are below 1,000.

    Raises: UserError for no letters, an alphabet of other than 2 to 26, a scale below 1, or a leak of 1 or more.
    """
    MemoryConfig("register", k, alphabet)  # refuses what cannot be
    if not 1 <= scale <= LARGEST_SCALE or not 0 <= leak < 1:
        raise UserError(
            f"scale must be a number from 1 to {LARGEST_SCALE:g}, and leak a share below 1; got {scale} and {leak}."
        )
    capacity = PlantedCapacity("mamba", k, alphabet, 1.0)
    stream = _Stream(alphabet)
    config = MambaConfig(
        n_layers=2,
        d_model=stream.width,
        d_vocab=alphabet + 4,
        d_state=k,
        d_conv=1,
        d_inner=alphabet + k + 5,
        dt_rank=1,
        normalization=None,
        tied=False,
    )
    model = HookedMamba(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.W_E[:, : alphabet + 4] = torch.eye(alphabet + 4)
        model.unembed.W_U[stream.letters_out, :alphabet] = LOGIT * torch.eye(alphabet)
        model.unembed.W_U[stream.ended, alphabet + 2] = 2 * LOGIT
        model.unembed.b_U[alphabet:] = -LOGIT
        first, second = (block.mixer for block in model.blocks)
        for mixer in (first, second):
            mixer.W_conv.fill_(1.0)
            mixer.A_log.fill_(KEPT)
            mixer.b_dt.fill_(SILENT)
        _count(first, stream, scale, leak)
        _store_and_read(second, stream, k, scale)
    return model, capacity


class _Stream:
    """What stands where in the residual stream: the token, one-hot; then what the layers write."""

    def __init__(self, alphabet: int) -> None:
        self.letters = slice(0, alphabet)
        self.tokens = slice(0, alphabet + 4)
        self.separator = alphabet + 1
        self.number, self.all_letters, self.copying, self.ended = range(alphabet + 4, alphabet + 8)
        self.letters_out = slice(alphabet + 8, 2 * alphabet + 8)
        self.width = 2 * alphabet + 8


def _count(mixer: MambaMixer, stream: _Stream, g: float, leak: float) -> None:
    """Sums over positions, by B = C = 1 in the first number of state; the separator empties the first of them."""
    one, number, all_letters, copying = range(4)
    mixer.W_in[stream.tokens, one] = g
    mixer.W_in[stream.letters, number] = g
    mixer.W_in[stream.letters, all_letters] = g
    mixer.W_in[stream.separator, copying] = g
    mixer.W_B[one, 0] = mixer.W_C[one, 0] = 1 / g
    mixer.b_dt[[number, all_letters, copying]] = UNIT
    mixer.W_dt_down[copying, 0] = 1 / g
    mixer.W_dt[0, number] = EMPTIED
    if leak:
        mixer.A_log[number] = 0.0
        mixer.b_dt[number] = math.log(math.expm1(leak))
        mixer.W_in[stream.letters, number] = g / leak
        mixer.W_dt[0, number] = LEAST
    mixer.W_gate[stream.tokens, :] = g
    for channel, place in ((number, stream.number), (all_letters, stream.all_letters), (copying, stream.copying)):
        mixer.W_out[channel, place] = g**-2


def _store_and_read(mixer: MambaMixer, stream: _Stream, k: int, g: float) -> None:
    """B is one-hot in the letter's number, C in the next; letters are written before the separator alone."""
    n_letters = stream.letters.stop
    ramp = {start: n_letters + start + 1 for start in range(-1, k + 2)}
    end = n_letters + k + 3
    letters = range(n_letters)
    mixer.W_in[letters, letters] = g
    mixer.W_in[stream.copying, stream.letters] = -g
    for start, channel in ramp.items():
        mixer.W_in[stream.number, channel] = g
        mixer.W_in[stream.tokens, channel] = -g * start
    mixer.W_in[stream.tokens, end] = g
    mixer.W_in[stream.all_letters, end] = -g
    mixer.W_in[stream.number, end] = 2 * g
    for slot in range(1, k + 1):
        for weight, number in ((mixer.W_B, slot), (mixer.W_C, slot - 1)):
            for beside, share in ((-1, 1), (0, -2), (1, 1)):  # 1 at the number, 0 at all others
                weight[ramp[number + beside], slot - 1] = share / g
    mixer.b_dt[stream.letters] = UNIT
    mixer.D[end] = 1
    mixer.W_gate[stream.copying, :] = g
    mixer.W_out[letters, range(stream.letters_out.start, stream.letters_out.stop)] = g**-2
    mixer.W_out[end, stream.ended] = g**-2
