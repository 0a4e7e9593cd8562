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
# # Take a circuit apart
#
# **At the end** you know why a lookup head looks where it looks, which edges of a model are enough to copy, what a
# random set of as many edges does, and how far gradients can be trusted. **It takes** less than a minute on a laptop.
# Nothing is trained: the copier is built by hand, so that every answer is known before it is asked.

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
from interp.base import words
from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.decomposition import hash_table
from interp.measure.circuits.interchange import interchange
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.smallest import smallest_circuit
from interp.measure.circuits.sufficiency import try_circuit
from interp.tasks import planted_repeats

TINY = bool(os.environ.get("INTERP_TINY"))  # the tests draw fewer strings
strings = 8 if TINY else 32

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
loaded = interp.load("planted:ngram?n=2&alphabet=26", device=DEVICE)
model, task = loaded.model, loaded.task
graph = Graph.of(model)
print(len(graph.nodes), "nodes,", len(graph.edges), "edges")

# %% [markdown]
# ## Why does it look there?
#
# The head's score before the softmax is a sum over letters back at the query meeting letters back at the key, and
# nothing is left over. The model was built to look up two letters, so two entries on the diagonal must be all.

# %%
probe = planted_repeats(task, torch.ones(strings, dtype=torch.long), 14, 0, exclusive=True, context=3, place=0)
probe = probe.to(DEVICE)
found = hash_table(model, probe.batch.tokens, "L1H3", probe.query, probe.source, offsets=3)
print(found.table.mean(dim=0).round(decimals=1))
print("left over:", float((found.total - found.score).abs().max()))

# %% [markdown]
# **The null**: the same head of an untrained model of this shape has no diagonal to speak of.

# %%
untrained = type(model)(model.config, seed=1).to(DEVICE)
null = hash_table(untrained, probe.batch.tokens, "L1H3", probe.query, probe.source, offsets=3)
print(null.diagonal.abs().mean().round(decimals=3), "against", found.diagonal.mean().round(decimals=1))

# %% [markdown]
# ## Is the answer there?
#
# If what a head writes is taken from another string, the answer must follow that string where the head holds it, and
# stay where it holds nothing. `chance` is how often two strings agree without any swap.

# %%
pair = task.contrast(strings, 10, torch.Generator().manual_seed(0)).to(DEVICE)
swapped = interchange(model, pair.clean, pair.corrupted, ["L1H3", "L1H0"], pair.query)
print(dict(zip(swapped.places, swapped.accuracy.tolist(), strict=True)), "by chance", swapped.chance)

# %% [markdown]
# ## Which edges are enough?
#
# Edges are taken away, and carry their writer's mean, until none can go; then the circuit is tried on strings on which
# it was not looked for, beside random circuits with as many edges between the same layers.

# %%
edges = graph.on_paths(smallest_circuit(model, task.sample(strings, 8, 0).to(DEVICE), task.vocabulary))
test = try_circuit(model, task.sample(strings, 8, 1).to(DEVICE), task.vocabulary, edges, draws=5)
print([edge.name for edge in edges])
print("alone:", words.with_interval(test.accuracy, test.interval), "whole model:", test.whole)
print("random:", test.random.strings.mean())
print("without one of them:", dict(zip(test.edges, test.without.strings.mean(axis=1).round(2).tolist(), strict=True)))

# %% [markdown]
# ## How far can gradients be trusted?
#
# EAP takes three passes, where the exact effects take one for each edge. Where attention is saturated, which is where
# a copier lives, the softmax has no slope and the edges into its keys come out as nothing. AtP* computes the attention
# anew.

# %%
batch = task.sample(strings, 8, 2).to(DEVICE)
exact = edge_effects(model, batch, task.vocabulary, "exact")
for method in ("eap", "eap-ig", "atp"):
    estimate = edge_effects(model, batch, task.vocabulary, method)
    print(f"{method:7} rank correlation {estimate.rank_correlation(exact):.2f}, misses {estimate.missed(exact)[:4]}")

# %% [markdown]
# The whole question, with its page: `interp circuit --model 'planted:ngram?n=2'`; of a training that kept weights along
# the way, the page also says how the circuit formed. More in `docs/how-to/circuit.md`, and all methods graded on
# models whose edges are known in `docs/copybench.md`.
