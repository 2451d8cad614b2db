"""Attribution of a trained model's predictions to its inputs."""
