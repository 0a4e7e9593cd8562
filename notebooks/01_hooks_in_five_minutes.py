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
# # Hooks in five minutes
#
# **At the end** you can read any quantity inside a transformer or a Mamba, change it, and see what the change does.
# **It takes** a quarter of a minute on a laptop, and five to read: nothing is trained.
#
# The model here is built by hand: its head L1H4 looks up the last three letters (an induction head, generalised from
# one token to three), so we know beforehand what each edit must do.

# %%
# On Colab this installs the toolkit, once; elsewhere it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("interp") is None:
    address = input("The address of the toolkit's repository, which begins with https://: ")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"interp[nnsight] @ git+{address}"], check=True)

# %%
import torch

import interp
from interp.base.errors import UserError

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
loaded = interp.load("planted:ngram?n=3&alphabet=8", device=DEVICE)
model, task = loaded.model, loaded.task
batch = task.layout(task.vocabulary.encode("dhbfcega")[None]).to(DEVICE)
print(task.decode(batch.tokens)[0], "->", task.decode(batch.targets)[0])


# %% [markdown]
# `$` begins, `|` asks for the copy, `.` ends it. The model writes at each position what comes next:


# %%
def written(logits):
    """What the model writes from the separator on."""
    return task.vocabulary.decode(logits[0, 9:].argmax(dim=-1))


print(written(model(batch.tokens)))

# %% [markdown]
# ## Reading
# Every quantity has a name, TransformerLens's own. `run_with_cache` keeps them all, or those that `names_filter` names.

# %%
logits, cache = model.run_with_cache(batch.tokens)
for name in cache:
    if name.startswith("blocks.1."):
        print(f"{name:32} {list(cache[name].shape)}")

# %% [markdown]
# Where does the head look from the copied `b`, whose next letter is `f`?

# %%
head, at = 4, 12
pattern = cache["blocks.1.attn.hook_pattern"]  # [batch head query key]
print("from", at, "it looks at", int(pattern[0, head, at].argmax()), "; copied from", int(batch.source[0, at]))

# %% [markdown]
# ## Changing
# A hook gets the tensor and returns what replaces it, for one run. Without the head's output nothing is copied:


# %%
def nothing_from_the_head(z, **_):
    z[:, :, head] = 0
    return z


print(written(model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.attn.hook_z", nothing_from_the_head)])))
print(written(model(batch.tokens)), "again, without the hook")

# %% [markdown]
# And if it is made to look elsewhere, it writes what stands there: `d`, at position 1.


# %%
def look_at_the_first_letter(pattern, **_):
    pattern[:, head, at] = 0
    pattern[:, head, at, 1] = 1
    return pattern


edited = model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.attn.hook_pattern", look_at_the_first_letter)])
print(written(edited))
assert task.vocabulary.decode(edited[0, at].argmax()[None]) == "d"

# %% [markdown]
# ## A Mamba
# The same calls. Its names are those of the paper: Δ, Ā, the write term, the state h, C, y. This one has learned
# nothing, which does not matter here.

# %%
from interp.models import build

mamba = build({"kind": "mamba", "d_model": 16, "d_state": 4, "d_vocab": 12}).to(DEVICE)
for name in mamba.hook_names(lambda name: name.startswith("blocks.0.")):
    print(name)

# %% [markdown]
# Whole states are large: they are cached only when they are named. The state after one position is a hook point too,
# made when it is first named: `blocks.0.mixer.h.5`.

# %%
names = ["blocks.0.mixer.hook_state", "blocks.0.mixer.h.5"]
before, cache = mamba.run_with_cache(batch.tokens, names_filter=names)
for name, value in cache.items():
    print(f"{name:28} {list(value.shape)}")
torch.testing.assert_close(cache[names[0]][:, 5], cache[names[1]])

# %% [markdown]
# **The recurrence continues from what a hook makes of `h.5`.** Before position 5 nothing changes (up to rounding),
# after it everything may. `hook_state` comes after the recurrence: an edit there changes what is read from the state
# at that position, and nothing else.


# %%
def changes(hook):
    """The largest change of a logit at each position, if this hook runs."""
    with torch.no_grad():
        return (mamba.run_with_hooks(batch.tokens, fwd_hooks=[hook]) - before)[0].abs().amax(dim=-1)


def nothing_is_read(states, **_):
    states[:, 5] = 0
    return states


forget = ("blocks.1.mixer.h.5", lambda h, **_: torch.zeros_like(h))
carried_on = changes(forget)
read_alone = changes(("blocks.1.mixer.hook_state", nothing_is_read))
print("h.5:       ", " ".join(f"{change:.0e}" for change in carried_on))
print("hook_state:", " ".join(f"{change:.0e}" for change in read_alone))
assert carried_on[:5].max() < 1e-6 < carried_on[5:].min()
assert read_alone[5] > 1e-6 and torch.cat([read_alone[:5], read_alone[6:]]).max() < 1e-6

# %% [markdown]
# ## What does not exist is refused
# Before anything runs, and with the nearest names that do. A misspelt name never leads to an empty cache, or to a
# hook that never fires.


# %%
def refusal(call):
    """What the error says."""
    try:
        call()
    except UserError as error:
        return str(error)
    raise AssertionError("it was not refused")


print(refusal(lambda: model.run_with_cache(batch.tokens, names_filter="blocks.1.attn.hook_patern")), "\n")
print(refusal(lambda: mamba.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.0.mixer.hook_h", forget[1])])), "\n")
print(refusal(lambda: mamba.run_with_cache(batch.tokens, names_filter="blocks.0.mixer.delta.5")))

# %% [markdown]
# ## The same through nnsight
# Hook points are modules, so that nnsight's traces read and edit them by the same names. (The state of one position
# must be named to the model before it is wrapped.)

# %%
import nnsight

traced = nnsight.NNsight(model)
with traced.trace(batch.tokens):
    traced.blocks[1].attn.hook_z.output[:, :, head] = 0
    through_nnsight = traced.output.save()
print(written(through_nnsight))

mamba.resolve("blocks.1.mixer.h.5")
traced = nnsight.NNsight(mamba)
with traced.trace(batch.tokens):
    getattr(traced.blocks[1].mixer.h, "5").output *= 0
    through_nnsight = traced.output.save()
torch.testing.assert_close(through_nnsight, mamba.run_with_hooks(batch.tokens, fwd_hooks=[forget]))
