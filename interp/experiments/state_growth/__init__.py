"""Does a model with a larger state copy longer strings before it is full?"""
