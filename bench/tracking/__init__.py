"""Trackers that are told of the runs of a sweep: TensorBoard, MLflow, Weights & Biases."""
