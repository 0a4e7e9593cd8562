"""OV circuits of a bridge are what adding the head's output to the last stream of a whole run does to the logits."""

import pytest
import torch

from interp.measure.heads.ov import ABOVE, STEP, copies_letter
from interp.measure.heads.written import written_share
from interp.models.heads import HeadTable
from interp.models.pretrained.bridge import load_bridge
from tests.measure.heads.test_gather import CHANGED, EXACT, OVER_TOKENS, probe_of  # noqa: TID251


def alone(bridge, probe, head):
    """What the head writes at the query when it attends to the source alone: its pattern set by hand."""
    kept = {}

    def attend(pattern, hook):  # noqa: ARG001
        new = torch.zeros_like(pattern)
        for i in range(len(probe)):
            new[i, :, probe.query[i], probe.source[i]] = 1
        return new

    hooks = [
        (f"blocks.{head.layer}.attn.hook_pattern", attend),
        (head.output_hook, lambda z, hook: kept.update(z=z.clone())),  # noqa: ARG005
    ]
    bridge.run_with_hooks(probe.batch.tokens, fwd_hooks=hooks)
    z = torch.stack([kept["z"][i, probe.query[i], head.index] for i in range(len(probe))])
    return z @ bridge.blocks[head.layer].attn.W_O[head.index]


@pytest.mark.parametrize("name", EXACT)
@torch.no_grad()
def test_a_head_copies_if_what_it_writes_raises_the_letter_most_in_a_whole_run(name, pretrained, tmp_path):
    pretrained(EXACT[name], tmp_path)
    bridge, probe = load_bridge(tmp_path), probe_of(OVER_TOKENS)
    tokens, found = probe.batch.tokens, copies_letter(bridge, OVER_TOKENS.vocabulary, probe)
    clean, row, expected = bridge(tokens), torch.arange(len(probe)), []
    for head in HeadTable.of(bridge):
        written = alone(bridge, probe, head)

        def add(stream, hook, written=written):  # noqa: ARG001
            at = stream[row, probe.query]
            stream[row, probe.query] = at + STEP * written * at.norm(dim=1, keepdim=True) / written.norm(
                dim=1, keepdim=True
            )
            return stream

        change = bridge.run_with_hooks(tokens, fwd_hooks=[("blocks.2.hook_resid_post", add)]) - clean
        letters = change[row, probe.query][:, :8]
        first, second = letters.topk(2, dim=1).values.unbind(dim=1)
        clear = first - second > ABOVE * (letters.amax(dim=1) - letters.amin(dim=1))
        expected.append((letters.argmax(dim=1) == tokens[row, probe.source]) & clear)
    assert torch.equal(found, torch.stack(expected))
    assert found.any() and not found.all()


@pytest.mark.parametrize("name", ["Llama", "Gemma2"])
@torch.no_grad()
def test_what_grouped_heads_write_is_shared_out_over_the_places_they_see(name, pretrained, tmp_path):
    pretrained({**EXACT, **CHANGED}[name], tmp_path)
    bridge, probe = load_bridge(tmp_path), probe_of(OVER_TOKENS)
    heads = list(HeadTable.of(bridge))
    shares = written_share(bridge, probe, heads)
    assert shares.shape == (len(heads), len(probe))
    assert ((shares > -1) & (shares <= 1)).all()
