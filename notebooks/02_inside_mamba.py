# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Inside a Mamba, step by step
#
# A transformer that copies can look back at the string. A state-space model cannot: all that it will repeat must be in
# its **state** when it reads the separator. Here we open a small Mamba that has learned to copy short strings, read
# every quantity of its recurrence, edit the state on the way, and see what it forgets.

# %%
import os

import plotly.express as px
import torch

import interp
from interp import figures
from interp.measure.state.bits import used_bits
from interp.measure.state.carry import carry, free_answer
from interp.measure.state.decay import log_decays, time_constants
from interp.models import build
from interp.models.hidden_attention import decompose, hidden_pattern

TINY = bool(os.environ.get("INTERP_TINY"))  # the tests run this notebook on a model that has learned nothing
if TINY:
    model, task, trained = build({"kind": "mamba", "d_model": 16, "d_state": 4}), interp.CopyTask(), (1, 12)
else:
    loaded = interp.load("mamba")  # trained once (a minute or two), then kept
    model, task, trained = loaded.model, loaded.copy_task, loaded.trained_lengths
generator = torch.Generator().manual_seed(0)
print(f"{model.n_parameters:,} parameters; the state of one string:", model.state_shapes())

# %% [markdown]
# ## How far does it copy?
# It was trained on short strings, and stops soon behind the longest of them.

# %%
lengths = (2, 4) if TINY else (4, 8, 10, 12, 13, 14, 16, 20)
accuracy = interp.accuracy_by_length(model, task, lengths, 16 if TINY else 256, generator, trained=trained)
figures.length_accuracy(accuracy)

# %% [markdown]
# ## Every quantity of the recurrence
# The names are the paper's: a step size Δ, how much of the state is kept (Ā = exp(ΔA)), what is written, the state h
# and what is read from it, y. Position is axis 1. `interp.models.mamba` has the whole glossary.

# %%
batch = task.sample(64, 8, generator)
layer = "blocks.0.mixer."
names = [f"{layer}hook_{name}" for name in ("delta", "A_bar", "write", "state", "C", "u", "y")]
logits, cache = model.run_with_cache(batch.tokens, names_filter=names)
delta, A_bar, write, state, C, u, y = (cache[name] for name in names)
for name, value in cache.items():
    print(f"{name:30} {list(value.shape)}")

# %% [markdown]
# The recurrence, written out: h<sub>t</sub> = Ā<sub>t</sub> h<sub>t-1</sub> + write<sub>t</sub> and
# y<sub>t</sub> = C<sub>t</sub> h<sub>t</sub> + D u<sub>t</sub>.

# %%
t = 5
torch.testing.assert_close(state[:, t], A_bar[:, t] * state[:, t - 1] + write[:, t], atol=1e-5, rtol=1e-4)
mixer = model.blocks[0].mixer
read = torch.einsum("bcn,bn->bc", state[:, t], C[:, t]) + mixer.D * u[:, t]
torch.testing.assert_close(y[:, t], read, atol=1e-4, rtol=1e-4)

# %% [markdown]
# ## What it keeps, and for how long
# A number of the state fades by exp(ΔA) at each step: its time constant is how many letters pass until a share of 1/e
# is left.

# %%
decays = log_decays(model, batch)
spread = torch.cat([time_constants(decay).flatten() for decay in decays.values()]).clamp(max=1e4)
of_layer = [f"layer {i}" for i, decay in enumerate(decays.values()) for _ in range(decay.numel())]
axes = {"x": "log10 of the time constant, in letters"}
px.histogram(x=spread.log10().tolist(), color=of_layer, nbins=60, labels=axes)

# %% [markdown]
# ## A state edited on the way
# `blocks.1.mixer.h.5` is the state after position 5, and exists as soon as it is named. Whatever a hook makes of it is
# carried on. Which letters of the answer are lost if both layers forget everything at one position?


# %%
def letters_right(logits):
    """Share of right letters at each place of the answer."""
    right = (logits.argmax(-1) == batch.targets)[batch.answer].view(len(batch), -1)
    return right.float().mean(0)


def forget(h, **_):
    """Nothing of the past is left."""
    return torch.zeros_like(h)


clean = letters_right(logits)
after = []
with torch.no_grad():
    for position in range(1, 9):
        hooks = [(f"blocks.{i}.mixer.h.{position}", forget) for i in range(model.config.n_layers)]
        after.append(letters_right(model.run_with_hooks(batch.tokens, fwd_hooks=hooks)))
px.imshow(
    torch.stack([clean, *after]).numpy(),
    x=[f"letter {i}" for i in range(1, 9)],
    y=["nothing forgotten", *(f"forgotten after letter {p}" for p in range(1, 9))],
    labels={"color": "right"},
    zmin=0,
    zmax=1,
    aspect="auto",
    color_continuous_scale="Viridis",
)

# %% [markdown]
# ## Does it look where the answer comes from?
# With Δ, B and C held, a Mamba layer is a matrix like attention: `decompose` gives it channel by channel, and exactly.
# One matrix for the layer is a summary; how it is made, and when it misleads, stands in the docstring of
# `hidden_pattern`.

# %%
one = batch.tokens[:1]
parts = decompose(model, one, layer=1)
again = torch.einsum("bcqk,bkc->bqc", parts.alpha, parts.inputs) + parts.remainder
torch.testing.assert_close(again, parts.outputs, atol=1e-4, rtol=1e-4)
labels = [f"{i} {task.vocabulary.decode(token[None])}" for i, token in enumerate(one[0])]
px.imshow(
    hidden_pattern(model, one, layer=1)[0, 0].numpy(),
    x=labels,
    y=labels,
    labels={"x": "position that is read", "y": "position that reads"},
    color_continuous_scale="Viridis",
)

# %% [markdown]
# ## The state is the string
# The state just before the separator is taken from one string and put into the run on another. Whose string is copied?

# %%
donor, host = batch.rows(slice(0, 1)), batch.rows(slice(1, 2))
written = free_answer(model, host, carry(model, donor))
print("donor:", task.decode(donor.tokens)[0])
print("host: ", task.decode(host.tokens)[0])
print("the host, with the donor's state, writes:", task.vocabulary.decode(written[0]))

# %% [markdown]
# ## How many bits of it are used?
# log2 26 = 4.7 bits a letter; the answers show a part of them. Where the curve bends, the state is full, or was never
# taught more. `analyses/measure_saturation.py` asks all of this of any model, with intervals and controls.

# %%
bits = used_bits(model, task, lengths, 16 if TINY else 256, generator)
curves = {"letters": lengths, "used": bits.total, "needed": [4.7 * length for length in lengths]}
px.line(curves, x="letters", y=["used", "needed"], labels={"value": "bits", "variable": ""}, markers=True)
