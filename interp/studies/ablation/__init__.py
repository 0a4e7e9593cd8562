"""What does a model lose without some of its heads?"""
