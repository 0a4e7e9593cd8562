"""How full a state is: what it carries from a string to its copy, what is used of it, what follows when it is edited.

carry          the state between string and copy: taken, laid out as features, put into another run
blocks         the states of many strings, a block at a time
directions     their principal directions
bits           what is used: bits per letter, from the answer's distributions; where a curve over lengths stops
probes         what is held: bits per letter, from probes that read the state
size           how large it is, what the theorem allows, how little of it would do
geometry       rank, norm, saturated decays
decay          how fast each number fades; choose: numbers by layer, by time constant, at random
remembrance    how far back a letter still moves the output
transplant     one string's state, or a part of it, in the run on another
ablations      parts of the state ablated
memories       of a hybrid: what attention remembers and what recurrence does, each taken away
outputs        of a hybrid: what its layers write, replaced by its mean
small          of a hybrid: how little of the recurrent state would do at every step, while attention stays
"""
