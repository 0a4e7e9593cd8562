"""The recurrences of state-space models, each written out as the reference and beside it as fast as it can be made.

    choice       which implementation runs, and how to override it
    selective    `selective_scan`: the recurrence of Mamba (S6), without ever holding all its states
    ssd          `ssd_scan`: that of Mamba-2
    matrix       `matrix_scan`: that of matrix-valued states (linear attention, GLA, the delta rule and its kin)
    linear       `linear_scan`: any diagonal recurrence from its decays and writes, returning every state
    lstm         `lstm_scan`: that of an LSTM, and `lstm_steps`, open at every step
    conv         `causal_conv`: the short depthwise convolution before both
    kernels      mamba-ssm's and causal-conv1d's CUDA kernels behind the same signatures

Position is axis 1 everywhere, channels are last, and every function takes an initial state and returns the final one.
"""
