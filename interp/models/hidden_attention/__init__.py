"""A recurrent layer read as attention."""
