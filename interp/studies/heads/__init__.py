"""Which heads copy by looking an n-gram up, for which n, and is that how the model copies?"""
