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
# # Plant a mechanism, and see whether it is found
#
# **At the end** you know what the detectors of this package find where the truth is known, what they find where there
# is nothing, and where they fail. You can plant what you want to look for. **It takes** about a minute and a half on a
# laptop. Nothing is trained.

# %%
# On Colab this installs the toolkit, once; elsewhere it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("interp") is None:
    address = input("The address of the toolkit's repository, which begins with https://: ")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"interp[nnsight] @ git+{address}"], check=True)

# %%
import os

import plotly.express as px
import torch

import interp
from interp import figures
from interp.base.errors import UserError
from interp.measure.heads.score import HeadSettings
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import knee
from interp.measure.state.probes import ProbeSettings, held_bits
from interp.models import build
from interp.models.planted import DECOYS, decay, register, shift

TINY = bool(os.environ.get("INTERP_TINY"))  # the tests plant less and draw fewer strings
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
strings = 16 if TINY else 48
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# ## A copier with a known n, among decoys
# `planted_copier` sets the paper's construction by hand: n + 1 gather heads bring the last n letters to each place,
# and a lookup head attends to the letter that followed them. It can be surrounded by heads that do nothing, random
# heads, and **decoys**, which look right on an ordinary copy, or unremarkable, and look nothing up:

# %%
print(*DECOYS)
task = interp.CopyTask(8)
decoys = ("previous", "even", "position:24")
for n in (3,) if TINY else (2, 3, 4, 5):
    model, planting = interp.planted_copier(n, 8, decoys=decoys, random_heads=1, shuffle=True, seed=n)
    found = interp.score_heads(model.to(DEVICE), task, (20, 28), generator, HeadSettings(strings=strings, longest=6))
    print(
        f"planted n = {n} in {[head.name for head in planting.with_role('lookup')]}, among {len(planting.heads)} heads"
    )
    for role in ("lookup", "gather"):
        planted = {head.name for head in planting.with_role(role)}
        assert planted == set(found.of_role(role)), (planted, found.of_role(role))
    print("  found n =", {h.n for h in found.heads if h.role == "lookup"}, "in", list(found.of_role("lookup")))
figures.response(found)

# %% [markdown]
# ## Nothing, where there is nothing
# A head is flagged only against untrained models of the same shape. So untrained models are the null case, in which
# it must find nothing:

# %%
shape = {"kind": "transformer", "d_model": 48, "n_heads": 6, "windows": (2, 3, 4, None, None, None)}
flagged = 0
for seed in range(1 if TINY else 10):
    untrained = build(shape, seed=100 + seed).to(DEVICE)
    scores = interp.score_heads(untrained, interp.CopyTask(), (20, 28), generator, HeadSettings(strings=strings), seed)
    flagged += sum(head.flagged for head in scores.heads)
print(f"{flagged} heads flagged in {seed + 1} untrained models of {len(scores.heads)} heads")

# %% [markdown]
# ## Pushed too far, it says so
# **An n beyond the longest planted match.** The head matches six letters; planted repeats have four at most. It is
# flagged, but its n cannot be determined: nothing tells it from a head that goes by position.

# %%
deep, _ = interp.planted_copier(6, 8)
found = interp.score_heads(deep, task, (20, 28), generator, HeadSettings(strings=strings, longest=4))
print("flagged:", [head.name for head in found.heads if head.flagged], " lookup:", list(found.of_role("lookup")))
print(*found.notes, sep="\n")
assert not found.of_role("lookup")

# %% [markdown]
# **Strings of one length.** On them a head that attends a fixed distance back always finds the source. It is flagged,
# too; it does not follow the match, so it is not called a lookup head.

# %%
model, planting = interp.planted_copier(2, 8, decoys=("position:24",))
(decoy,) = planting.with_role("decoy")
for length in (24, (20, 28)):
    found = interp.score_heads(model, task, length, generator, HeadSettings(strings=strings, longest=4))
    (head,) = (head for head in found.heads if head.name == decoy.name)
    print(f"strings of {length}: {head.name} has score {head.score:.2f}, flagged {head.flagged}, role {head.role}")
    assert head.role == "none"

# %% [markdown]
# **Strings too short for the match** are refused.

# %%
try:
    interp.score_heads(deep, task, 12, generator)
except UserError as error:
    print(error)

# %% [markdown]
# ## A memory with a known capacity
# `register` keeps the first k letters of a string, `shift` the last k, `decay` forgets at random. Bits **used** are
# read from the answers, bits **held** by probes from the state: both must bend at k letters, k log2 D bits.

# %%
k, lengths = (4, (2, 4, 8)) if TINY else (8, (2, 4, 6, 8, 12, 16, 24))
probes = ProbeSettings(train=256, temper=128, test=128, by_layer=False) if TINY else ProbeSettings(by_layer=False)
curves = {"letters": lengths, "needed": [4.7 * length for length in lengths]}
for make in (register, shift):
    memory, capacity = make(k)
    memory.to(DEVICE)
    used = used_bits(memory, interp.CopyTask(), lengths, 64 if TINY else 256, generator)
    held = held_bits(memory, interp.CopyTask(), lengths, generator, probes).held
    curves[f"used, {make.__name__}"], curves[f"held, {make.__name__}"] = used.total, held.total
    bends = f"used bits bend at {knee(used).value:.2f} letters, held ones at {knee(held).value:.2f}"
    print(f"{make.__name__} of {capacity.k}: {bends}")
px.line(curves, x="letters", y=list(curves)[1:], labels={"value": "bits", "variable": ""}, markers=True)

# %% [markdown]
# The four curves coincide. Letter by letter, after strings twice as long as fit: the register has the first k
# letters, the shift register the last k; each of a decaying memory's last k is left with a probability that depends
# on its age.

# %%
rows = {"letter": list(range(1, 2 * k + 1))}
for memory, capacity in (register(k), shift(k), decay(k, keep=0.9)):
    read = held_bits(memory, interp.CopyTask(), [2 * k], generator, probes).held
    rows[capacity.memory] = read.by_position[0, : 2 * k]
    rows[f"{capacity.memory}: what survives"] = [4.7 * p for p in capacity.kept(2 * k)]
px.line(rows, x="letter", y=list(rows)[1:], labels={"value": "bits", "variable": ""}, markers=True)

# %% [markdown]
# ## A failure to read is not an empty state
# A probe that has seen too few strings reads less than there is. The same register of 24 letters, read with more and
# more strings:

# %%
large, _ = register(24)
for train in (128, 512) if TINY else (128, 192, 256, 512, 1024):
    few = ProbeSettings(train=train, temper=128, test=128, by_layer=False)
    total = held_bits(large, interp.CopyTask(), [24], generator, few).held.total[0]
    print(f"{train:5} strings: {total:6.1f} of {24 * 4.7004:.1f} bits")

# %% [markdown]
# So bits held are a lower bound, and the result says how many strings were used (`HeldBits.strings`); fewer than four
# for each letter of the alphabet are refused. Shuffled labels are the null: probes read nothing of letters that the
# state never saw.

# %%
print("shuffled:", held_bits(large, interp.CopyTask(), [24], generator, probes).shuffled.total[0])
try:
    held_bits(large, interp.CopyTask(), [24], generator, ProbeSettings(train=64))
except UserError as error:
    print(error)

# %% [markdown]
# An untrained Mamba holds letters as well: whatever a recurrence mixes in can be read for a while, and nothing is used.
# That is why `saturation_study` puts both curves, and an untrained model, side by side.

# %%
reservoir = build({"kind": "mamba", "d_model": 32})
print("held:", round(held_bits(reservoir, interp.CopyTask(), [8], generator, probes).held.total[0], 1), "bits of 37.6")
print("used:", round(used_bits(reservoir, interp.CopyTask(), [8], 64, generator).total[0], 1), "bits")
