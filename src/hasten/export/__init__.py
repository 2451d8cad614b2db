"""A trained model in a form that runs without Python code of its own, checked against the model itself."""
