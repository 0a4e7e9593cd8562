"""Questions: everything that is asked of one model, each question in a folder with the same rooms."""
