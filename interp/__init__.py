"""How does a sequence model copy?"""
