"""Proof by taking away: heads and edges ablated beside controls.

The words, in the order in which they come up:

    HeadSet           heads that are ablated together, and how that is reported (`sets`)
    Value, EdgeEdit   what a head does instead: another output, or attention knockout (`interventions`)
    Ablation          heads and what they do instead: one run of the model (`sets`)
    ControlPool       heads that controls are drawn from (`controls`)
    Plan              a head set with its ablation and its controls, each a ControlPlan (`plans`)
    BlockContext      a block of strings, and all that its ablated runs share (`context`)
    PerStringScores   how each string fares under each ablation (`sweep`)
    AblationResult    what a head set costs, beside its controls (`interp.results.ablation`)

`ablate` goes through all of them; `sweep` runs bare ablations; `runs` has the two ways to run them, one model run for
each and many at once, which give the same.
"""
