"""mamba-ssm's and causal-conv1d's CUDA kernels behind the signatures of `interp.models.scan`."""


def missing(scan: str) -> str | None:
    """Why the kernel of `scan` cannot be used; None if it can."""
    return f"{scan}: its adapter is being written"
