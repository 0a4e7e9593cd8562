"""How full is a model's state, what does it hold and use, and is that the state?"""
