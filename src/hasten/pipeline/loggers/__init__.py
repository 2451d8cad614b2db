"""A training in the trackers that people use: TensorBoard, MLflow, Weights & Biases."""
