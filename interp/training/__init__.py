"""How a model learns: a recipe, the loop, its run folder, and the presets. Names are imported from the submodules."""
