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
# # Why a Mamba cannot
#
# **At the end** you know what a state-space model carries from a string to its copy, how long it keeps it, whose
# string is copied if the state is swapped for that of another, and when the state is full; and which of these claims
# are proved and which are not. **It takes** about five minutes on a laptop, of which a minute and a half is training
# a model, which is kept.
#
# A transformer that copies can look back at the string. A state-space model cannot: all that it will repeat must be in
# its **state** when it reads the separator, and a state of b bits tells no more than 2^b strings apart (*Repeat After
# Me*, Theorem 2.7). Here we open a small Mamba that has learned to copy short strings, read every quantity of its
# recurrence, edit the state on the way, and see what it loses, and how.

# %%
# On Colab this installs the toolkit, once; elsewhere it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("interp") is None:
    address = input("The address of the toolkit's repository, which begins with https://: ")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"interp[nnsight] @ git+{address}"], check=True)

# %%
import math
import os

import plotly.express as px
import torch

import interp
from interp import figures
from interp.loading import Loaded
from interp.measure.state.carried import carry, free_answer
from interp.measure.state.decay import log_decays, time_constants
from interp.measure.state.probes import ProbeSettings
from interp.models import build
from interp.models.hidden_attention.pattern import decompose
from interp.studies.state import figures as state_figures
from interp.studies.state.settings import SaturationSettings

TINY = bool(os.environ.get("INTERP_TINY"))  # the tests run this notebook on a model that has learned nothing
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if TINY:
    untrained = build({"kind": "mamba", "d_model": 16, "d_state": 4}).to(DEVICE)
    loaded = Loaded(untrained, interp.CopyTask(), {"spec": "untrained"}, trained_lengths=(1, 12))
else:
    loaded = interp.load("mamba", device=DEVICE)  # trained once (a minute and a half), then kept
model, task = loaded.model, loaded.task
generator = torch.Generator().manual_seed(0)
print(f"{model.n_parameters:,} parameters; the state of one string:", model.state_shapes())

# %% [markdown]
# ## How far does it copy?
# It was trained on short strings, and stops copying soon after the longest of them.

# %%
lengths = (2, 4) if TINY else (4, 8, 10, 12, 13, 14, 16, 20)
accuracy = interp.accuracy_by_length(
    model, task, lengths, 16 if TINY else 256, generator, trained=loaded.trained_lengths
)
figures.length_accuracy(accuracy)

# %% [markdown]
# ## Every quantity of the recurrence
# The names are the paper's: a step size Δ, how much of the state is kept (Ā = exp(ΔA)), what is written, the state h
# and what is read from it, y. Position is axis 1. `interp.models.recurrent.mamba.model` has the whole glossary.

# %%
batch = task.sample(64, 8, generator).to(DEVICE)
layer = "blocks.0.mixer."
names = [f"{layer}hook_{name}" for name in ("delta", "A_bar", "write", "state", "C", "u", "y")]
logits, cache = model.run_with_cache(batch.tokens, names_filter=names)
delta, A_bar, write, state, C, u, y = (cache[name] for name in names)
for name, value in cache.items():
    print(f"{name:30} {list(value.shape)}")

# %% [markdown]
# The recurrence, written out: h<sub>t</sub> = Ā<sub>t</sub> h<sub>t-1</sub> + write<sub>t</sub> and y<sub>t</sub> =
# C<sub>t</sub> h<sub>t</sub> + D u<sub>t</sub>.

# %%
t = 5
torch.testing.assert_close(state[:, t], A_bar[:, t] * state[:, t - 1] + write[:, t], atol=1e-5, rtol=1e-4)
mixer = model.blocks[0].mixer
read = torch.einsum("bcn,bn->bc", state[:, t], C[:, t]) + mixer.D * u[:, t]
torch.testing.assert_close(y[:, t], read, atol=1e-4, rtol=1e-4)

# %% [markdown]
# ## What it keeps, and for how long
# A number of the state fades by exp(ΔA) at each step: its time constant is how many letters pass until a share of 1/e
# is left. Here it is hundreds of letters and more: within strings of ten nothing fades. What is lost is lost in
# another way.

# %%
decays = log_decays(model, batch)
spread = torch.cat([time_constants(decay).flatten() for decay in decays.values()]).clamp(max=1e4)
of_layer = [f"layer {i}" for i, decay in enumerate(decays.values()) for _ in range(decay.numel())]
axes = {"x": "log10 of the time constant, in letters"}
px.histogram(x=spread.log10().tolist(), color=of_layer, nbins=60, labels=axes)

# %% [markdown]
# ## A state edited on the way
# `blocks.1.mixer.h.5` is the state after position 5, and exists as soon as it is named. Later positions continue from
# whatever a hook makes of it. Which letters of the answer are lost if both layers forget everything at one position?


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
    torch.stack([clean, *after]).cpu().numpy(),
    x=[f"letter {i}" for i in range(1, 9)],
    y=["nothing forgotten", *(f"forgotten after letter {p}" for p in range(1, 9))],
    labels={"color": "right"},
    zmin=0,
    zmax=1,
    aspect="auto",
    color_continuous_scale="Viridis",
)

# %% [markdown]
# Letters that come after are lost as well. So the state holds more than letters: something in it must say where each
# belongs.

# %% [markdown]
# ## Does it look where the answer comes from?
# With Δ, B and C held fixed, a Mamba layer is a matrix like attention, channel by channel and exactly. This **hidden
# attention** can be negative.

# %%
parts = decompose(model, batch.tokens[:1], layer=1)
again = torch.einsum("bcqk,bkc->bqc", parts.alpha, parts.inputs) + parts.remainder
torch.testing.assert_close(again, parts.outputs, atol=1e-4, rtol=1e-4)
print("alpha", list(parts.alpha.shape), "[batch channel query key]")

# %% [markdown]
# One matrix for a layer is a summary of its channels; how it is made, and when it misleads, is in the docstring of
# `hidden_pattern`. The view shows it with its sign, and the norm of the state below the string.

# %%
view = interp.view_attention(loaded, "kqvbtzah")
figures.attention_view(view)

# %% [markdown]
# ## The state is the string
# The state just before the separator is taken from the run on one string and put into the run on another (activation
# patching). Whose string is copied?

# %%
donor, host = batch.rows(slice(0, 1)), batch.rows(slice(1, 2))
written = free_answer(model, host, carry(model, donor))
print("donor:", task.decode(donor.tokens)[0])
print("host: ", task.decode(host.tokens)[0])
print("the host, with the donor's state, writes:", task.vocabulary.decode(written[0]))

# %% [markdown]
# ## When is it full?
# `saturation_study` measures everything about a state, by length: bits **used**, read from the answers; bits
# **held**, read by probes from the state; how little of the state would do; what follows it when it is transplanted
# whole or in part. Beside the Mamba stands a memory built by hand, which keeps the first eight letters and is then
# full.

# %%
known = interp.load("planted:register?k=4" if TINY else "planted:register?k=8", device=DEVICE)
few = ProbeSettings(train=1024, temper=512, test=512, by_layer=False)
small = SaturationSettings(probes=few, movie_probes=few, size_strings=64, geometry_strings=128)
of_mamba = interp.saturation_study(loaded, settings=SaturationSettings.tiny() if TINY else None)
of_register = interp.saturation_study(known, settings=SaturationSettings.tiny() if TINY else small)
for profile in (of_mamba, of_register):
    print(profile.model["spec"], "-", profile.verdict, "\n")
state_figures.saturation([of_mamba, of_register])

# %% [markdown]
# What the register uses and what it holds bend together, and stay: **full**. What the Mamba holds bends too, some
# letters beyond its training lengths; but what it uses *falls*. Which letters are left, by their distance from the
# separator:

# %%
state_figures.recoverability([of_mamba, of_register])

# %%
length, letter = of_mamba.lengths[-1], math.log2(task.alphabet)
of_each = of_mamba.held.held.by_position[-1, :length]
read = [place + 1 for place, bits in enumerate(of_each) if bits > 0.9 * letter]
print(f"of strings of {length} letters probes read these: {read}; the answers show {of_mamba.used.total[-1]:.1f} bits")

# %% [markdown]
# After the longest strings the first letters can still be read from the state, and the last ones; the answer shows
# none of them. What ended the copying there is a failure to fetch what is held, **not a full state**. And what the
# probes do not read, the middle, need not be gone: they are linear, and were fitted on a limited number of strings.

# %% [markdown]
# ## Which part carries it?
# With the whole state of another string the model writes that string's answer, from logits that are the same up to
# rounding. So would any model, since nothing else is carried: that checks the code. Of its parts the second layer
# carries most letters, the convolution's windows hardly any; as many numbers at random stand beside them.

# %%
state_figures.transplants([of_mamba])

# %% [markdown]
# ## What is proved, and what is not
# The theorem bounds what *any* model with a state of so many bits can copy. It does not say that this one is near the
# bound:

# %%
bits = of_mamba.state_bits[of_mamba.peak]
print(f"its state has {bits:,.0f} bits, enough for {bits / letter:,.0f} letters by the theorem")
print(f"it uses {max(of_mamba.bits_recovered):.0f} bits, {max(of_mamba.bits_recovered) / letter:.1f} letters")
print(f"probes read {max(of_mamba.bits_probe):.0f} bits at most, {max(of_mamba.bits_probe) / letter:.1f} letters")
print(f"and from the state of an untrained model of its shape {max(of_mamba.held.untrained.total):.0f}")

# %% [markdown]
# Shown: how many bits of the string the answers use; which parts of the state carry it; a lower bound on what it
# holds, part of which any recurrence of this shape would hold, and where that stops growing.
#
# Not proved: that the state could hold no more. The model was trained on strings of at most ten letters, and nothing
# taught it to keep more; a probe that reads linearly finds less than there is. Whether a larger state copies longer
# strings is a question about many models, each trained beyond what it can do: `analyses/grow_state.py`.
