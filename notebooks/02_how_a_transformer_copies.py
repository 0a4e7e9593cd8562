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
# # How a transformer copies
#
# **At the end** you know how a small trained transformer copies: which heads do it, by how many letters, and what is
# left without them; and how each of these claims was tested. **It takes** about two minutes on a laptop, half a
# minute of it for training a model, which is kept.
#
# A transformer that copies a string has to know, at every letter, where it is in the string. The paper *Repeat After
# Me* (arXiv 2402.01032) proves that two layers can do it by **hashing n-grams**: some heads gather the last letters
# into a key, another head looks for the place where the same letters stood before and attends to the letter that
# followed. (They are a previous-token head and an induction head, generalised from one token to n.)

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

import torch

import interp
from interp import figures

TINY = bool(os.environ.get("INTERP_TINY"))  # the tests run this notebook on a planted model and few strings
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
loaded = interp.load("planted:ngram?n=3&alphabet=8&decoys=previous" if TINY else "hard-alibi", device=DEVICE)
model, task = loaded.model, loaded.task
generator = torch.Generator().manual_seed(0)
print(f"{model.n_parameters:,} parameters, {model.config.n_layers} layers of {model.config.n_heads} heads")
print("windows:", model.config.windows)

# %% [markdown]
# ## The task
# `$` begins, `|` asks for the copy, `.` ends it. A batch carries its own answer: `source` says for every letter of the
# answer where it is copied from, so that no measurement has to do index arithmetic.

# %%
batch = task.sample(3, 12, generator).to(DEVICE)
for row in range(3):
    print(task.decode(batch.tokens)[row], "->", task.decode(batch.targets)[row])
print(batch.source[0].tolist())

# %% [markdown]
# ## Does it copy, and how far?
# Dashed: ideal copiers that know only the last n letters and guess where these stand in several places. They fall
# with the length, because n letters recur by chance. Far beyond its training lengths the model lies above the one
# that knows three letters: it must use more.

# %%
lengths = (10, 20) if TINY else (20, 30, 50, 100, 200)
accuracy = interp.accuracy_by_length(
    model, task, lengths, 16 if TINY else 96, generator, trained=loaded.trained_lengths, ideal=(3, 4, 5)
)
print("right:", accuracy.string_correct.mean(axis=1).round(2), " ideal, n = 3:", accuracy.ideal["3"])
figures.length_accuracy(accuracy)

# %% [markdown]
# ## What do the heads look at?
# On a plain copy every n-gram lookup, whatever its n, attends along the same diagonal: the place that the answer comes
# from. So does a head that merely looks a fixed distance back.

# %%
logits, cache = model.run_with_cache(batch.tokens)
pattern = cache["blocks.1.attn.hook_pattern"]
print("hook_pattern", tuple(pattern.shape), "[batch head query key]")
asked = batch.answer[0].nonzero()[:, 0]
attention = pattern[0, :, asked, batch.source[0, asked]].mean(dim=1)
print("attention to the source, by head of the last layer:", [round(a, 2) for a in attention.tolist()])

# %% [markdown]
# ## Which n?
# Plant a repeat of exactly k letters: two places that agree in k letters and differ on both sides. A head that matches
# n letters tells them apart if k < n, and divides its attention between them if k >= n.

# %%
from interp.tasks import planted_repeats

probe = planted_repeats(task, torch.tensor([3]), 20, generator, exclusive=True, context=3, place=0)
query, source, rival = int(probe.query), int(probe.source), int(probe.rival)
print(task.decode(probe.batch.tokens)[0], f"  query at {query}, source at {source}, rival at {rival}")

# %%
from interp.measure.heads.score import HeadSettings

span = (20, 28) if TINY else (22, 30)
settings = HeadSettings(strings=16, longest=5) if TINY else HeadSettings()
scores = interp.score_heads(model, task, span, generator, settings)
for head in scores.heads:
    if head.role == "lookup":
        print(f"{head.name} looks up {head.n} letters: attention {head.score:.2f}, q = {head.q_value:.3f}")
    if head.role == "gather":
        print(f"{head.name} gathers letters {head.offsets} back: it moves their scores by {head.gather_effect:.0%}")
figures.response(scores)

# %% [markdown]
# A head is flagged only if it beats the heads of untrained models of the same shape (corrected for all heads tested)
# and by a stated margin. The gather heads were found by intervening: their output was removed from the lookup heads'
# queries and keys, and from nothing else (path patching). `scores.set_offsets` says which letters back can be read
# linearly from all of them together.

# %%
print("letters back in the key:", scores.set_offsets, [round(a, 2) for a in scores.offset_accuracy])

# %% [markdown]
# ## The whole model's n, twice more
# From behaviour: accuracy at the letter after a planted repeat. By intervention: change the copied letter t back to
# that of a rival place, and see whether the answer moves there.

# %%
from interp.measure.heads.effective_n import behavioural_n, causal_n

strings, longest = (16, 5) if TINY else (96, 8)
behavioural = behavioural_n(model, task, span, longest, strings, generator)
causal = causal_n(model, task, span, longest, strings, generator)
print("n from behaviour", behavioural.n, "by intervention", causal.n)
figures.effective_n(behavioural, causal)

# %% [markdown]
# ## Proof by ablation
# Lookup heads are often copies of each other: one can go unnoticed, all of them cannot. As a control, attention to
# places that do not match is cut in the same heads: as much, or all there is.

# %%
from interp.measure.ablation.ablate import ablation_study

ablations = ablation_study(model, task.vocabulary, scores, task.sample(32 if TINY else 192, span[1], generator))
for a in ablations:
    if a.group in ("single", "all", "edges"):
        control = "none" if a.control_mean is None else f"{a.control_mean:.2f}"
        print(f"{a.name:24} {a.string_accuracy_before:.2f} -> {a.string_accuracy_after:.2f}   control {control}")
figures.ablations(ablations)

# %% [markdown]
# ## See for yourself
# All heads on one string, as the model is and without its lookup heads. Choose a head by its thumbnail, a letter by
# a click on it. The page stands on its own: `.save("attention.html")` keeps it.

# %%
prompt = "dhbfcegahfbdgcae" if TINY else "kqvbtzahwmcxjeplngus"
view = interp.view_attention(loaded, prompt, scores=scores, ablations=ablations)
figures.attention_view(view)

# %% [markdown]
# The string is lost without the lookup heads, and just as much without those that gather for them: then the lookup
# heads have nothing to look up.

# %%
asked = view.source >= 0
for variant in view.variants:
    print(f"{variant.name}: right letters have probability {variant.probability[asked].mean():.2f} on average")

# %% [markdown]
# ## Would we have found it if it were not there?
# `05_plant_a_mechanism` asks the same of models whose mechanism is known, and of models that have none. Everything
# above in one call, with its verdict: `interp.hash_head_study(loaded)`; as a page: `analyses/find_hash_heads.py`.
