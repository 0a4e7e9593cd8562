"""How a model is opened: what its heads attend to, what is lost without parts of it, what its state holds."""
