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
# # Bring your own model
#
# **At the end** you can train a copier of your own shape, train and open a model of another library, open a
# pretrained one from a folder, and read what the study says about each, "no lookup head" included. **It takes** about
# two minutes on a laptop, most of it for two small trainings. Nothing is downloaded.

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
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
import transformers

import interp
from interp import figures
from interp.base.errors import UserError
from interp.models import build
from interp.studies.heads.settings import HeadStudySettings

# The tests take a few steps and a few strings: nothing is learned then.
TINY = bool(os.environ.get("INTERP_TINY"))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
settings = HeadStudySettings.tiny() if TINY else HeadStudySettings()
folder = Path(tempfile.mkdtemp())
transformers.utils.logging.disable_progress_bar()

# %% [markdown]
# ## A shape of your own
# `build` makes a model, `TrainConfig` is the recipe, `train` trains in place and keeps a **run folder**. Here the
# heads of each layer see 2, 3 and 4 positions, and three of them everything: room for keys of up to three letters.
# (From step 100 on half of the training's strings are of four letters only, so that short keys recur and long ones
# pay off.)

# %%
model = build(
    {"kind": "transformer", "n_layers": 2, "d_model": 96, "n_heads": 6, "windows": (2, 3, 4, None, None, None)}
).to(DEVICE)
task = interp.CopyTask()
recipe = interp.TrainConfig(
    steps=4 if TINY else 300,
    warmup=2 if TINY else 50,
    batch=8 if TINY else 64,
    length=(20, 30),
    learning_rate=8e-3,
    hard_letters=4,
    hard_from=2 if TINY else 100,
    evaluate_lengths=(10,) if TINY else (30, 60),
    evaluate_strings=8 if TINY else 200,
)
log = interp.train(model, task, recipe, folder / "mine", progress=False)
figures.training(log)

# %% [markdown]
# A run folder is a model like any other: whoever has it needs nothing else to open it.

# %%
mine = interp.load(folder / "mine", device=DEVICE)
print("trained on strings of", mine.trained_lengths, "letters;", f"{mine.model.n_parameters:,} parameters")
study = interp.hash_head_study(mine, settings=settings)
print(study.verdict)
figures.response(study.scores)

# %% [markdown]
# The windows set the n: three letters back is as far as any head of the first layer sees.
#
# A folder is never overwritten; an interrupted training continues with `resume=True`.

# %%
try:
    interp.train(model, task, recipe, folder / "mine", progress=False)
except UserError as error:
    print(error)


# %% [markdown]
# ## Any module
# `train` and `accuracy_by_length` accept anything that maps tokens to logits. Here a Llama of transformers, two
# layers with rotary positions.


# %%
class Logits(torch.nn.Module):
    """A model of transformers as tokens to logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens, use_cache=False).logits


torch.manual_seed(1)
vocabulary = task.vocabulary
special = {"bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos, "pad_token_id": vocabulary.pad}
small = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "intermediate_size": 128}
shape = transformers.LlamaConfig(vocab_size=vocabulary.size, max_position_embeddings=256, **small, **special)
llama = transformers.LlamaForCausalLM(shape).to(DEVICE)
more = {} if TINY else {"steps": 600, "hard_from": 300}
of_llama = replace(recipe, length=(5, 24), learning_rate=4e-3, **more)
interp.train(Logits(llama), task, of_llama, progress=False)
lengths = (10, 24) if TINY else (10, 20, 24, 26, 28, 30, 40)
draws = torch.Generator().manual_seed(0)
strings = 16 if TINY else 200
accuracy = interp.accuracy_by_length(Logits(llama), task, lengths, strings, draws, trained=of_llama.lengths, ideal=(3,))
figures.length_accuracy(accuracy)

# %% [markdown]
# A run folder keeps this package's models only; this one is kept as transformers keeps it, and opened by `hf:`,
# through TransformerLens's bridge, as every pretrained model is. Only you can say what it was trained on, and how
# long the strings were:

# %%
llama.save_pretrained(folder / "llama")
opened = interp.load(f"hf:{folder / 'llama'}", device=DEVICE)
print("unless told:", opened.task.decode(opened.task.sample(1, 4, draws).tokens)[0])
opened = replace(opened, task=task, trained_lengths=of_llama.lengths)
found = interp.hash_head_study(opened, settings=settings)
print(found.verdict)
figures.response(found.scores)

# %% [markdown]
# It copies, and a place with the same letters before it draws no attention: its heads do not go by the last letters
# alone. (From another seed they looked three and four places past the source; then none is flagged, because that is
# not the place that is asked about.) A head that goes by position does not need the letters that were copied so far.
# Replace each of them by the next letter of the alphabet, so that nothing can be looked up:

# %%
from interp.models.surface import patterns

batch = task.sample(32, 24, draws).to(DEVICE)
after_a_letter = batch.answer.roll(1, dims=1)
wrong = torch.where(after_a_letter, (batch.tokens + 1) % task.alphabet, batch.tokens)
asked = batch.answer[0].nonzero()[:, 0]
source = batch.source[0, asked]
print(task.decode(batch.tokens)[0], "becomes", task.decode(wrong)[0])
for name, its in (("mine", mine.model), ("llama", opened.model)):
    for tokens in (batch.tokens, wrong):
        on_source = patterns(its, tokens, layer=1)[:, :, asked, source].mean(dim=(0, 2))
        print(f"{name:5} attention to the source, by head:", [round(share, 2) for share in on_source.tolist()])

# %% [markdown]
# The lookup heads lose their way; the Llama's heads keep half of theirs. So these go by position, in part or
# altogether, and beyond the training lengths the copying ends.

# %% [markdown]
# ## Any model with TransformerLens's surface
# With hook points under TransformerLens's names, any module can be looked at. Here one layer of attention, written
# out; `Loaded` is made by hand.

# %%
from transformer_lens import HookedRootModule
from transformer_lens.config import TransformerLensConfig
from transformer_lens.hook_points import HookPoint

from interp.loading import Loaded


class Attention(torch.nn.Module):
    """x to what its heads write, with the three hook points that are asked for."""

    def __init__(self, n_heads, d_model):
        super().__init__()
        self.W_Q, self.W_K, self.W_V, self.W_O = (
            torch.nn.Parameter(torch.randn(n_heads, d_model, d_model // n_heads) / d_model**0.5) for _ in range(4)
        )
        self.hook_attn_scores, self.hook_pattern, self.hook_z = HookPoint(), HookPoint(), HookPoint()

    def forward(self, x):
        q, k, v = (torch.einsum("bpd,hde->bphe", x, w) for w in (self.W_Q, self.W_K, self.W_V))
        scores = torch.einsum("bqhe,bkhe->bhqk", q, k) / q.shape[-1] ** 0.5
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        pattern = self.hook_pattern(self.hook_attn_scores(scores.masked_fill(later, -torch.inf)).softmax(dim=-1))
        return torch.einsum("bqhe,hde->bqd", self.hook_z(torch.einsum("bhqk,bkhe->bqhe", pattern, v)), self.W_O)


class OneLayer(HookedRootModule):
    """Tokens to logits."""

    def __init__(self, n_heads=4, d_model=32, d_vocab=30):
        super().__init__()
        shape = {"n_heads": n_heads, "d_model": d_model, "d_head": d_model // n_heads, "d_vocab": d_vocab}
        self.cfg = TransformerLensConfig(n_layers=1, n_ctx=512, device="cpu", **shape)
        self.W_E = torch.nn.Parameter(torch.randn(d_vocab, d_model))
        self.blocks = torch.nn.ModuleList([torch.nn.ModuleDict({"attn": Attention(n_heads, d_model)})])
        self.setup()

    def forward(self, tokens, stop_at_layer=None, **_):
        x = self.W_E[tokens]
        for block in self.blocks[:stop_at_layer]:
            x = x + block["attn"](x)
        return x @ self.W_E.T / self.W_E.shape[1] ** 0.5

    def to_tokens(self, tokens):
        return tokens


own = Loaded(OneLayer(), task, {"spec": "one layer of my own"})
view = interp.view_attention(own, "kqvbtzah", ablate=("L0H2",))
for variant in view.variants:
    print(f"{variant.name}: right letters have probability {variant.probability[view.source >= 0].mean():.4f}")
print("attention to the source:", [round(share, 2) for share in view.on_source()])

# %% [markdown]
# Attention, hooks and ablations need no more than that. To score heads, untrained models of the same shape are needed
# as well, which can only be built for this package's models and for bridges.
#
# The bridge over a model that you have in memory needs no folder either. Put it in evaluation mode first: dropout
# would disturb every measurement.

# %%
from transformer_lens.model_bridge.sources import build_bridge_from_module

gpt2 = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(n_layer=2, n_head=4, n_embd=64, n_positions=128, vocab_size=vocabulary.size, **special)
).eval()
gpt2.save_pretrained(folder / "gpt2")
bridge = build_bridge_from_module(gpt2, "GPT2LMHeadModel", hf_config=gpt2.config)
in_memory = Loaded(bridge, task, {"spec": "a GPT-2 that has learned nothing"})
view = interp.view_attention(in_memory, "kqvbtzah")
print("attention to the source:", [round(share, 2) for share in view.on_source()])
figures.attention_view(view)

# %% [markdown]
# ## What has learned nothing
# The same GPT-2 from its folder, weights drawn at random. Its letters are tokens of its vocabulary; a string is BOS c a
# b c a b. A head is flagged only if it attends to the source more than those of twenty such models do, and here none
# does:

# %%
nothing = interp.hash_head_study(interp.load(f"hf:{folder / 'gpt2'}"), settings=settings)
print(nothing.verdict)
figures.head_scores(nothing.scores)

# %% [markdown]
# ## A Mamba from a folder
# Mamba and Mamba-2 open as this package's own models, with the same logits and every hook inside the recurrence.

# %%
config = transformers.MambaConfig(num_hidden_layers=2, hidden_size=32, state_size=4, vocab_size=60, bos_token_id=0)
theirs = transformers.MambaForCausalLM(config).eval()
theirs.save_pretrained(folder / "mamba")
mamba = interp.load(f"hf:{folder / 'mamba'}").model
tokens = torch.randint(0, 60, (2, 10), generator=draws)
with torch.no_grad():
    torch.testing.assert_close(mamba(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-4)
_, cache = mamba.run_with_cache(tokens, names_filter=["blocks.1.mixer.hook_delta", "blocks.1.mixer.h.5"])
for name, value in cache.items():
    print(f"{name:26} {list(value.shape)}")
