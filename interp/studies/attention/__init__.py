"""Where does each head look on one string?"""
