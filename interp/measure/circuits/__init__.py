"""How a model copies, part by part: its nodes and edges, what a score is made of, paths, and what is enough.

nodes          `Graph`: every node and edge of a model, in causal order, and their names (`L0H1->L1H4.k`)
stream         what the residual stream is the sum of, with norms held at what they were in the run
decomposition  a head's score as an exact sum: by writers (`decompose_score`), by letters back (`hash_table`)
ov             a logit as an exact sum over who wrote it; a head's part, over what it moved from where
recurrent_shares   what a recurrent layer brings from each position: write x kept x read
tables         one lookup head taken apart on probes
paths          `patch`: any place from another run, along an edge, along all paths, or where a node stands
interchange    whether the answer follows when a place is swapped, beside chance
formation      the circuit's heads at one step of their training
repair         what the rest of a model makes up for when a head goes
edge_sweep     `edge_sweep`: sets of edges kept, all others replaced, many at once (plan, edge_runs, donors)
sufficiency    `circuit_curve`, `try_circuit`: is a circuit enough, is each edge needed, beside random circuits
smallest       `smallest_circuit`: edges are taken away until none can go
attribution    `edge_effects`: what each edge does, exactly or by gradients (EAP, EAP-IG, AtP*); with gradients
detect         the copying circuit as the detector of heads has it, upstream from the lookup heads
copybench      methods of circuit discovery graded on planted copiers, whose edges are known
letters        QK and OV circuits of a head by letters, from the weights alone
"""
