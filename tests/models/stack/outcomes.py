"""What the tests of attention compare: logits and gradients, of one way of computing with those of another."""

import torch


def outcome(model, tokens, hooks=(), cut=slice(None), **how):
    """Logits, and the gradient of a fixed function of them with respect to every parameter; `hooks` listen."""
    model.zero_grad()
    listening = [(name.format(last=len(model.blocks) - 1), _listen) for name in hooks]
    with model.hooks(fwd_hooks=listening):
        logits = model(tokens, **how)
        logits[:, cut].square().sum().backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_same(one, other):
    assert one[1].keys() == other[1].keys()
    torch.testing.assert_close(one[0], other[0])
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], msg=lambda text, name=name: f"{name}: {text}")


def _listen(x, hook):  # noqa: ARG001
    return None
