"""What is asked of many models: a grid of runs, who carries them out, what each found, and what follows from all.

plan       one run as a document: model, task, recipe, what is measured on which strings; its digest
grid       plans of every combination of arms, rates and seeds
measures   what can be measured of the model of a run, in plain numbers
work       one plan carried out: trained, measured, written down
kept       what runs have found, a few kilobytes each, by the digest of their plan
executor   serial, processes of one machine, Ray
engine     which plans are left to do, and their end
times      how long they will take
sweep      one model at several rates and from several seeds, as run folders
reduce     several runs as one: the best of rates; means over trainings
claim      what a paper says, what was measured, whether it holds
paper      "Repeat After Me", claim by claim
state_growth   how much more a larger state holds
results    what any command left in a folder, read without knowing its kind
record     how long a string a small copier copies, and what stops it
"""
